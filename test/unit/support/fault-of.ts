import { Fault } from '../../../core/fault.ts';

/** The fault that something throws. @throws Error if it throws nothing, and whatever else it throws */
export function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
