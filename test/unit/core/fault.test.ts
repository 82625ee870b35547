import { status as grpcStatus } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Fault, FAULT_CODES, invalidFields, type FaultReason } from '../../../core/fault.ts';

const REASONS = Object.keys(FAULT_CODES) as FaultReason[];

describe('every reason', () => {
  test.each(REASONS)('%s has a gRPC code and the form of a stable reason', (reason) => {
    const fault = new Fault(reason, 'a text');
    expect(fault.code).toBe(FAULT_CODES[reason]);
    expect(grpcStatus[fault.code]).toBeGreaterThan(0);
    expect(reason).toMatch(/^[A-Z][A-Z_]{2,62}$/);
  });
});

describe('a fault', () => {
  test('is an error with its reason, its public text and nothing else unless it is given', () => {
    const fault = new Fault('KEY_NOT_FOUND', 'there is no key');
    expect(fault).toBeInstanceOf(Error);
    expect(fault).toMatchObject({
      name: 'Fault',
      message: 'there is no key',
      reason: 'KEY_NOT_FOUND',
      code: 'NOT_FOUND',
      violations: [],
      metadata: {},
    });
    expect(fault.retryAfterMs).toBeUndefined();
    expect(fault.cause).toBeUndefined();
    expect(fault.stack).toContain('fault.test');
  });

  test('keeps what it is given; the cause stays out of the text', () => {
    const cause = new Error('password authentication failed for user postgres');
    const fault = new Fault('DATABASE_UNAVAILABLE', 'the database does not answer', {
      metadata: { a: 'b' },
      retryAfterMs: 0,
      cause,
    });
    expect(fault.cause).toBe(cause);
    expect(fault.metadata).toEqual({ a: 'b' });
    expect(fault.retryAfterMs).toBe(0);
    expect(fault.message).not.toContain('password');
  });
});

describe('fields out of bounds', () => {
  const violations = [
    { field: 'key.scopes[3]', description: 'must not be empty' },
    { field: 'ttl', description: 'must be from 1 second to 100 years' },
  ];

  test('are all named in the text and in the violations', () => {
    const fault = invalidFields(violations);
    expect(fault.reason).toBe('INVALID_FIELD');
    expect(fault.code).toBe('INVALID_ARGUMENT');
    expect(fault.violations).toEqual(violations);
    expect(fault.message).toBe('key.scopes[3]: must not be empty; ttl: must be from 1 second to 100 years');
  });
});
