import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BALANCE_MAX, type LiveLimit } from '../../../core/limit.ts';
import { Verdict, VerifyResponse } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { LimitStatusOfState } from '../../../server/transport/convert/limit-status.ts';
import { encodeVerifyResponse } from '../../../server/transport/verify-codec.ts';
import type { LimitState } from '../../../server/verification/budgets.ts';

const number = fc.oneof(
  fc.constantFrom(0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, BALANCE_MAX),
  fc.nat({ max: BALANCE_MAX }),
);

const limit: fc.Arbitrary<LiveLimit> = fc.record({
  name: fc.stringMatching(/^[a-z][a-z0-9_-]{0,63}$/),
  rule: fc.oneof(
    fc.record({
      kind: fc.constant('RATE' as const),
      limit: fc.integer({ min: 1, max: 1e9 }),
      windowMs: fc.integer({ min: 1000, max: 2_592_000_000 }),
    }),
    fc.record({ kind: fc.constant('CREDITS' as const), initial: number, refill: fc.constant(null) }),
  ),
  onDemand: fc.boolean(),
  onUnavailable: fc.constant('DENY' as const),
  scope: fc.constantFrom('KEY' as const, 'OWNER' as const),
  ledgerId: fc.constant('key_a calls'),
  override: fc.constant(null),
});

const change = fc.record({
  max: number,
  remaining: number,
  resetTimeMs: fc.option(fc.double({ min: 1, max: 4e12, noNaN: true }), { nil: undefined }),
  refused: fc.boolean(),
});

test('limits are encoded as the generated code would, whatever they say and however often', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(limit, fc.array(change, { minLength: 1, maxLength: 3 })), { maxLength: 4 }),
      fc.boolean(),
      (limits, valid) => {
        const key = VerifyResponse.fromPartial({ key: { id: 'key_a', ownerId: 'ann' } }).key;
        for (let turn = 0; turn < 3; turn += 1) {
          const states = limits.flatMap(([one, changes]): LimitState[] => {
            const state = changes[turn % changes.length];
            return state === undefined ? [] : [{ limit: one, ...state }];
          });
          const message: VerifyResponse = {
            ...VerifyResponse.fromPartial({
              valid,
              verdict: valid ? Verdict.VERDICT_VALID : Verdict.VERDICT_RATE_LIMITED,
              revision: '0.1',
              retryAfter: valid ? undefined : { seconds: 1n, nanos: turn },
            }),
            key,
            limits: states.map((state) => new LimitStatusOfState(state)),
          };
          const sent = VerifyResponse.decode(encodeVerifyResponse(message).finish());
          expect(sent).toEqual(VerifyResponse.decode(VerifyResponse.encode(message).finish()));
        }
      },
    ),
    { numRuns: 300 },
  );
});
