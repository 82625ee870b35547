import type { Budgets } from '../../../server/verification/budgets.ts';

/** Budgets that nobody may ask: keys of these tests have no limits. */
export const NO_BUDGETS: Budgets = {
  tryCharge() {
    throw new Error('budgets were asked');
  },
  charge: () => Promise.reject(new Error('budgets were asked')),
};
