import type { Check, Refusal } from './check.ts';

const OPERATION_NOT_ALLOWED: Refusal = { verdict: 'OPERATION_NOT_ALLOWED' };

/** A key with api targets passes only for an operation that one of them matches; a request that names none could be any. */
export const checkOperation: Check = ({ snapshot: { operations }, request: { operation } }) =>
  operations === undefined || (operation !== undefined && operations(operation))
    ? undefined
    : OPERATION_NOT_ALLOWED;
