import { randomUUID } from 'node:crypto';
import type { DeepPartial, Limit } from '../../../proto/gen/latchkey/v1/key.ts';
import type { LimitSubject } from '../../../proto/gen/latchkey/v1/limit_service.ts';
import type { Clients } from '../clients.ts';
import type { Random } from '../random.ts';
import { createCounter, type Counter } from './counter.ts';

/** Rate limits of one kind, and the load that they are under. */
export interface CasePlan {
  /** Where the limit stands. A policy's is counted for each key alone, an owner's is shared by all keys. */
  readonly on: 'key' | 'policy' | 'owner';
  readonly keys: number;
  /** How many in any window. */
  readonly limit: number;
  readonly windowMs: number;
  /** Costs are from 1 to this. */
  readonly costMax: number;
  /** Verifications in a call. */
  readonly batch: number;
}

/** A key that is verified. */
export interface Charged {
  readonly token: string;
  readonly counter: Counter;
}

/** The limits of a case as they are in the database. */
export interface LimitCase extends CasePlan {
  readonly charged: readonly Charged[];
  /** As many as there are limits to hold: one of each key, or one of an owner. */
  readonly counters: readonly Counter[];
  /** How many verifications all of them allow in the long run. */
  readonly verificationsPerMs: number;
  /** Gives the limit another number; returns when that is effective, ms since 1970. */
  change(by: Clients, limit: number, requestId: string): Promise<number>;
  /** Gives the limit of all keys another number until a time; only where they have one limit in common. */
  override(by: Clients, value: number, endTime: Date, requestId: string): Promise<number>;
}

/** The name of every limit. */
export const LIMIT_NAME = 'calls';

/** How long a management call may take, ms. */
export const CALL_MS = 8000;

const AT_ONCE = 4;

/** Makes the keys of a case, in a keyspace of their own. */
export async function createCase(clients: Clients, plan: CasePlan): Promise<LimitCase> {
  const { on, keys, limit, windowMs } = plan;
  const name = randomUUID();
  const { keyspace } = await clients.keyspaces.createKeyspace({
    keyspace: { slug: `l-${name}`, tokenPrefix: 'lim' },
  });
  const keyspaceId = keyspace?.id ?? '';
  const limitsOf = (number: number): DeepPartial<Limit>[] => [rate(number, windowMs)];
  const limits = limitsOf(limit);
  const ownerId = on === 'owner' ? name : '';
  if (on === 'owner') await clients.owners.createOwner({ owner: { keyspaceId, id: ownerId, limits } });
  const made =
    on === 'policy'
      ? await clients.policies.createPolicy({ policy: { keyspaceId, displayName: name, limits } })
      : undefined;
  const policyId = made?.policy?.id ?? '';

  const shared = createCounter({ max: limit, windowMs });
  const charged: Charged[] = [];
  const ids: string[] = [];
  while (charged.length < keys) {
    const some = Array.from({ length: Math.min(AT_ONCE, keys - charged.length) }, () =>
      clients.keys.createKey({
        key: {
          keyspaceId,
          ownerId,
          limits: on === 'key' ? limits : [],
          policyIds: on === 'policy' ? [policyId] : [],
        },
      }),
    );
    for (const { key, token } of await Promise.all(some)) {
      ids.push(key?.id ?? '');
      charged.push({ token, counter: on === 'owner' ? shared : createCounter({ max: limit, windowMs }) });
    }
  }
  if (on === 'key' && keys !== 1)
    throw new Error('a number that several keys have is changed by their policy');
  const [keyId = ''] = ids;
  const subject: DeepPartial<LimitSubject> = {
    subject:
      on === 'owner'
        ? { $case: 'owner', value: { keyspaceId, id: ownerId } }
        : { $case: 'keyId', value: keyId },
  };
  const counters = [...new Set(charged.map(({ counter }) => counter))];
  const signal = (): { readonly signal: AbortSignal } => ({ signal: AbortSignal.timeout(CALL_MS) });
  return {
    ...plan,
    charged,
    counters,
    verificationsPerMs: (counters.length * limit) / windowMs / ((1 + plan.costMax) / 2),
    async change(by, number, requestId) {
      const updateMask = ['limits'];
      const changed = limitsOf(number);
      const ways = {
        key: () =>
          by.keys.updateKey({ key: { id: keyId, limits: changed }, updateMask, requestId }, signal()),
        policy: () =>
          by.policies.updatePolicy(
            { policy: { id: policyId, limits: changed }, updateMask, requestId },
            signal(),
          ),
        owner: () =>
          by.owners.updateOwner(
            { owner: { keyspaceId, id: ownerId, limits: changed }, updateMask, requestId },
            signal(),
          ),
      };
      return effectiveMs(await ways[on]());
    },
    async override(by, value, endTime, requestId) {
      if (on === 'policy') throw new Error('an override is of one key');
      const request = {
        subject,
        limit: LIMIT_NAME,
        value: BigInt(value),
        until: { $case: 'endTime' as const, value: endTime },
        requestId,
      };
      return effectiveMs(await by.limits.setLimitOverride(request, signal()));
    },
  };
}

function effectiveMs({ effectiveTime }: { readonly effectiveTime?: Date | undefined }): number {
  if (effectiveTime === undefined) throw new Error('a change of a limit told no effective_time');
  return effectiveTime.getTime();
}

const rate = (limit: number, windowMs: number): DeepPartial<Limit> => ({
  name: LIMIT_NAME,
  kind: {
    $case: 'rate',
    value: {
      limit: BigInt(limit),
      window: { seconds: BigInt(Math.floor(windowMs / 1000)), nanos: (windowMs % 1000) * 1e6 },
    },
  },
});

/**
 * Some of a case's keys, each with a cost: any of them any number of times. They come into use one after the other, over
 * the first window: if all did at once, all windows would be used up and free again at the same times.
 * @param sinceMs how long the load has been on
 */
export function chooseLoad(
  { charged, batch, costMax, windowMs }: LimitCase,
  random: Random,
  sinceMs: number,
): readonly { readonly key: Charged; readonly cost: number }[] {
  const inUse = charged.slice(0, Math.ceil((charged.length * Math.max(sinceMs, 1)) / windowMs));
  return Array.from({ length: batch }, () => random.pick(inUse))
    .filter((key) => key !== undefined)
    .map((key) => ({ key, cost: random.between(1, costMax) }));
}
