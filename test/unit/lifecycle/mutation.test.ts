import { describe, expect, test } from 'vitest';
import { Fault } from '../../../core/fault.ts';
import type { Caller } from '../../../server/callers/caller.ts';
import type { Change } from '../../../core/change.ts';
import type { Revision } from '../../../core/revision.ts';
import type { AuditEvent } from '../../../server/audit/audit-event.ts';
import { createMutate, type Effect, type MutationRequest } from '../../../server/lifecycle/mutation.ts';
import type { IdempotencyRecord, Repositories, Store } from '../../../server/lifecycle/ports.ts';
import { captureLogger } from '../../support/capture-logger.ts';
import { createTestClock } from '../../support/test-clock.ts';
import { issueKey } from '../support/issue-key.ts';

const REQUEST_ID = '3f0f7f44-2c1e-4f9c-9a0b-7d1a6c1f2e3d';
const EFFECTIVE_DELAY_MS = 700;
const CONFIRM_MS = 9;
const PROPAGATION = { replicas: 3, confirmed: 2 };

interface State {
  readonly seq: number;
  readonly audit: readonly AuditEvent[];
  readonly answers: ReadonlyMap<string, IdempotencyRecord>;
}

/** The end of a transaction: as asked, rolled back, or committed with the reply lost. */
type Ending = 'committed' | 'refused' | 'reply lost';

/** A mutation's surroundings: a database in memory whose transactions are whole or not at all, and what happened. */
function surroundings() {
  const clock = createTestClock();
  const log = captureLogger();
  /** What happened, in order. */
  const events: string[] = [];
  const published: { readonly changes: readonly Change[]; readonly revision: Revision | undefined }[] = [];
  const advances: { readonly changes: readonly Change[]; readonly wait: boolean }[] = [];
  const confirmed: Revision[] = [];
  const claims: { readonly idHash: string; readonly expireTimeMs: number }[] = [];
  const control: { state: State; ending: Ending; collisions: number } = {
    state: { seq: 10, audit: [], answers: new Map() },
    ending: 'committed',
    collisions: 0,
  };

  async function attempt<T>(body: (tx: Repositories) => Promise<T>): Promise<{ result: T; state: State }> {
    let { seq, audit } = control.state;
    const answers = new Map(control.state.answers);
    const tx = {
      audit: { append: async (event: AuditEvent) => void (audit = [...audit, event]) },
      changes: {
        head: async () => ({ shard: 0, seq }),
        async advance(changes: readonly Change[], { wait }: { readonly wait: boolean }) {
          advances.push({ changes, wait });
          return { shard: 0, seq: (seq += 1) };
        },
      },
      idempotency: {
        async claim(idHash: string, expireTimeMs: number) {
          claims.push({ idHash, expireTimeMs });
          return answers.get(idHash);
        },
        complete: async (idHash: string, record: IdempotencyRecord) => void answers.set(idHash, record),
      },
    } as unknown as Repositories;
    const result = await body(tx);
    return { result, state: { seq, audit, answers } };
  }

  const store = {
    async transaction<T>(body: (tx: Repositories) => Promise<T>): Promise<T> {
      for (; control.collisions > 0; control.collisions -= 1) await attempt(body);
      const { result, state } = await attempt(body);
      if (control.ending === 'refused') throw new Fault('CONFLICT', 'it kept colliding');
      control.state = state;
      events.push('committed');
      if (control.ending === 'reply lost') throw new Fault('DATABASE_UNAVAILABLE', 'no reply');
      return result;
    },
  } as unknown as Store;

  const mutate = createMutate({
    store,
    clock,
    logger: log.logger,
    coherence: {
      isFresh: () => true,
      covers: () => true,
      revision: () => ({ shard: 0, seq: 0 }),
      epoch: () => 'e',
      publish(changes, revision, epoch) {
        events.push('published');
        expect(epoch).toBe('e');
        published.push({ changes, revision });
      },
      async confirm(revision, own) {
        events.push(own ? 'confirmed' : 'confirmed, as found');
        confirmed.push(revision);
        clock.advance(CONFIRM_MS);
        return PROPAGATION;
      },
      announce: () => void events.push('announced'),
      effectiveDelayMs: EFFECTIVE_DELAY_MS,
      stop: async () => {},
    },
  });
  return { mutate, clock, log, events, published, advances, confirmed, claims, control };
}

function callerNamed(keyId: string): Caller {
  return { keyId, holds: () => true, reaches: () => true, confinedTo: undefined, managesRootKeys: false };
}

const { key, token } = issueKey();
const CHANGES: readonly Change[] = [{ kind: 'key', id: key.id }];

function request(change: Partial<MutationRequest> & Record<string, unknown> = {}): MutationRequest {
  return { caller: callerNamed('key_caller'), requestId: '', ...change };
}

/** What a mutation that makes a key does. */
function creation(): Effect<{ key: typeof key; token: string }> {
  return {
    answer: { key, token },
    audit: { action: 'key.create', keyspaceId: key.keyspaceId, targetId: key.id, details: {} },
    changes: CHANGES,
  };
}

/** What a mutation does that takes access away. */
function revocation(): Effect<{ key: typeof key }> {
  return {
    answer: { key },
    audit: { action: 'key.revoke', keyspaceId: key.keyspaceId, targetId: key.id, details: {} },
    changes: CHANGES,
    awaited: true,
  };
}

/** What a mutation does whose aim is reached already. */
function nothing(): Effect<{ key: typeof key }> {
  return { answer: { key } };
}

describe('a mutation', () => {
  test('commits, then lets memory forget, and only then answers', async () => {
    const { mutate, events, published, control } = surroundings();
    await mutate('CreateKey', request(), async () => creation());
    events.push('answered');
    expect(events).toEqual(['committed', 'published', 'answered']);
    expect(published).toEqual([{ changes: CHANGES, revision: { shard: 0, seq: 11 } }]);
    expect(control.state.seq).toBe(11);
  });

  test('answers with its position and the time from which it holds everywhere', async () => {
    const { mutate, clock } = surroundings();
    const answer = await mutate('CreateKey', request(), async (_tx, nowMs) => {
      expect(nowMs).toBe(clock.nowMs());
      clock.advance(30);
      return creation();
    });
    // Counted from the commit, not from when it began.
    expect(answer).toEqual({
      key,
      token,
      revision: '0.11',
      effectiveTimeMs: clock.nowMs() + EFFECTIVE_DELAY_MS,
      propagation: undefined,
    });
  });

  test('is audited once, with who did it, in the same transaction', async () => {
    const { mutate, clock, control } = surroundings();
    await mutate('CreateKey', request(), async () => creation());
    expect(control.state.audit).toHaveLength(1);
    expect(control.state.audit[0]).toMatchObject({
      actor: 'key_caller',
      action: 'key.create',
      targetId: key.id,
      timeMs: clock.nowMs(),
    });
  });

  test('is logged without its token, its secrets or anything else of its answer', async () => {
    const { mutate, log } = surroundings();
    await mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation());
    expect(log.has('mutation.committed')).toBe(true);
    const text = log.lines.join('');
    expect(text).toContain(key.id);
    for (const secret of [token, token.slice(-20), key.secrets[0]?.digestHex ?? 'none', REQUEST_ID]) {
      expect(text).not.toContain(secret);
    }
  });

  test('that collided and ran again is done and published once', async () => {
    const { mutate, published, control } = surroundings();
    control.collisions = 2;
    let runs = 0;
    await mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => {
      runs += 1;
      return creation();
    });
    expect(runs).toBe(3);
    expect(control.state).toMatchObject({ seq: 11 });
    expect(control.state.audit).toHaveLength(1);
    expect(published).toEqual([{ changes: CHANGES, revision: { shard: 0, seq: 11 } }]);
  });
});

describe('a mutation that takes access away', () => {
  test('answers only when every replica knows, and is effective then', async () => {
    const { mutate, clock, events, confirmed, advances } = surroundings();
    const answer = await mutate('RevokeKey', request(), async () => revocation());
    events.push('answered');
    expect(events).toEqual(['committed', 'published', 'confirmed', 'answered']);
    expect(confirmed).toEqual([{ shard: 0, seq: 11 }]);
    expect(advances).toEqual([{ changes: CHANGES, wait: true }]);
    // The clock stands where the wait ended.
    expect(answer).toMatchObject({ effectiveTimeMs: clock.nowMs(), propagation: PROPAGATION });
  });

  test('does not wait if the caller does not want to: it is effective after the lease', async () => {
    const { mutate, clock, events, advances } = surroundings();
    const answer = await mutate('RevokeKey', request({ wait: false }), async () => revocation());
    expect(events).toEqual(['committed', 'published', 'announced']);
    expect(advances).toEqual([{ changes: CHANGES, wait: false }]);
    expect(answer).toMatchObject({
      effectiveTimeMs: clock.nowMs() + EFFECTIVE_DELAY_MS,
      propagation: undefined,
    });
  });

  test('waits also where its aim was reached before, for whoever did it may not have', async () => {
    const { mutate, clock, confirmed, advances, events } = surroundings();
    const answer = await mutate('RevokeKey', request(), async () => ({ ...nothing(), awaited: true }));
    expect(advances).toEqual([]);
    // By another process, maybe: this one may have to learn of it, too.
    expect(events).toContain('confirmed, as found');
    expect(confirmed).toEqual([{ shard: 0, seq: 10 }]);
    expect(answer).toMatchObject({ effectiveTimeMs: clock.nowMs(), propagation: PROPAGATION });
  });

  test('waits again when it is retried, for its first position', async () => {
    const { mutate, clock, confirmed } = surroundings();
    const act = () => mutate('RevokeKey', request({ requestId: REQUEST_ID }), async () => revocation());
    await act();
    await mutate('CreateKey', request(), async () => creation());
    expect(await act()).toMatchObject({ effectiveTimeMs: clock.nowMs(), propagation: PROPAGATION });
    expect(confirmed).toEqual([
      { shard: 0, seq: 11 },
      { shard: 0, seq: 11 },
    ]);
  });

  test('may be retried with another wish to wait: that is the same request', async () => {
    const { mutate, confirmed, control } = surroundings();
    await mutate('RevokeKey', request({ requestId: REQUEST_ID, wait: false }), async () => revocation());
    expect(confirmed).toEqual([]);
    await mutate('RevokeKey', request({ requestId: REQUEST_ID, wait: true }), async () => revocation());
    expect(confirmed).toEqual([{ shard: 0, seq: 11 }]);
    expect(control.state.seq).toBe(11);
  });

  test('waits for nobody when it fails', async () => {
    const { mutate, confirmed, control } = surroundings();
    control.ending = 'reply lost';
    await expect(mutate('RevokeKey', request(), async () => revocation())).rejects.toThrow('no reply');
    expect(confirmed).toEqual([]);
  });
});

test('a mutation that takes nothing away waits for nobody, even if the caller wants to', async () => {
  const { mutate, confirmed, advances } = surroundings();
  await mutate('CreateKey', request({ wait: true }), async () => creation());
  expect(confirmed).toEqual([]);
  expect(advances).toEqual([{ changes: CHANGES, wait: false }]);
});

describe('a mutation whose aim is reached already', () => {
  test('is not audited, takes no position and publishes none', async () => {
    const { mutate, published, control, log } = surroundings();
    const answer = await mutate('DisableKey', request(), async () => nothing());
    expect(answer).toMatchObject({ key, revision: '0.10' });
    expect(control.state).toMatchObject({ seq: 10, audit: [] });
    expect(published).toEqual([{ changes: [], revision: undefined }]);
    expect(log.has('mutation.committed')).toBe(false);
  });
});

describe('a mutation that fails', () => {
  test('lets memory forget what it may have changed when the reply to the commit is lost', async () => {
    const { mutate, published, control } = surroundings();
    control.ending = 'reply lost';
    await expect(mutate('RevokeKey', request(), async () => creation())).rejects.toMatchObject({
      reason: 'DATABASE_UNAVAILABLE',
    });
    // It did take place. Memory must not go on with the state from before, and no position may be claimed for it.
    expect(control.state.seq).toBe(11);
    expect(published).toEqual([{ changes: CHANGES, revision: undefined }]);
  });

  test('lets memory forget also when the commit was refused, which nobody can tell apart', async () => {
    const { mutate, published, control } = surroundings();
    control.ending = 'refused';
    await expect(mutate('RevokeKey', request(), async () => creation())).rejects.toMatchObject({
      reason: 'CONFLICT',
    });
    expect(control.state.seq).toBe(10);
    expect(published).toEqual([{ changes: CHANGES, revision: undefined }]);
  });

  test('in its own work publishes no position, and passes the fault on', async () => {
    const { mutate, published, control, log } = surroundings();
    const fault = new Fault('KEY_REVOKED', 'it is revoked');
    await expect(mutate('EnableKey', request(), () => Promise.reject(fault))).rejects.toBe(fault);
    expect(published).toEqual([{ changes: [], revision: undefined }]);
    expect(control.state).toMatchObject({ seq: 10, audit: [] });
    expect(log.has('mutation.committed')).toBe(false);
  });

  test('is not remembered: a retry with the same request id is done', async () => {
    const { mutate, control } = surroundings();
    control.ending = 'refused';
    await expect(
      mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation()),
    ).rejects.toThrow('it kept colliding');
    control.ending = 'committed';
    const answer = await mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation());
    expect(answer.revision).toBe('0.11');
  });
});

describe('a retry with the same request id', () => {
  test('gets the first answer, the same token and the same position, and nothing is done', async () => {
    const { mutate, published, control, clock, log } = surroundings();
    const first = await mutate('CreateKey', request({ requestId: REQUEST_ID, name: 'a' }), async () =>
      creation(),
    );
    await mutate('DeleteKey', request(), async () => creation());
    clock.advance(60_000);
    const before = control.state;
    const logged = log.lines.length;
    let runs = 0;
    const retry = await mutate('CreateKey', request({ requestId: REQUEST_ID, name: 'a' }), async () => {
      runs += 1;
      return creation();
    });
    expect(runs).toBe(0);
    expect(retry).toEqual({ ...first, effectiveTimeMs: clock.nowMs() + EFFECTIVE_DELAY_MS });
    expect(retry.token).toBe(token);
    expect(control.state).toMatchObject({ seq: before.seq, audit: before.audit });
    expect(published.at(-1)).toEqual({ changes: [], revision: undefined });
    expect(log.lines).toHaveLength(logged);
  });

  test('after a lost reply gets the answer that was lost', async () => {
    const { mutate, control } = surroundings();
    control.ending = 'reply lost';
    const act = () => mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation());
    await expect(act()).rejects.toThrow('no reply');
    control.ending = 'committed';
    expect(await act()).toMatchObject({ token, revision: '0.11' });
    expect(control.state.audit).toHaveLength(1);
  });

  test('written in capitals is the same', async () => {
    const { mutate, control } = surroundings();
    await mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation());
    await mutate('CreateKey', request({ requestId: REQUEST_ID.toUpperCase() }), async () => creation());
    expect(control.state.seq).toBe(11);
  });

  test('of a mutation that changed nothing gets the first answer too', async () => {
    const { mutate } = surroundings();
    await mutate('DisableKey', request({ requestId: REQUEST_ID }), async () => nothing());
    await mutate('CreateKey', request(), async () => creation());
    const retry = await mutate('DisableKey', request({ requestId: REQUEST_ID }), async () => creation());
    expect(retry).toMatchObject({ revision: '0.10' });
    expect(retry).not.toHaveProperty('token');
  });

  test.each([
    ['another request', 'CreateKey', { name: 'b' }],
    ['another RPC', 'UpdateKey', { name: 'a' }],
    ['a field more', 'CreateKey', { name: 'a', more: 1 }],
  ])('and %s is refused, and nothing is done', async (_what, rpc, input) => {
    const { mutate, control, published } = surroundings();
    await mutate('CreateKey', request({ requestId: REQUEST_ID, name: 'a' }), async () => creation());
    const before = control.state;
    let runs = 0;
    await expect(
      mutate(rpc, request({ requestId: REQUEST_ID, ...input }), async () => {
        runs += 1;
        return creation();
      }),
    ).rejects.toMatchObject({ reason: 'IDEMPOTENCY_MISMATCH' });
    expect(runs).toBe(0);
    expect(control.state).toBe(before);
    expect(published.at(-1)).toEqual({ changes: [], revision: undefined });
  });

  test('of another caller is a request of its own', async () => {
    const { mutate, control } = surroundings();
    await mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation());
    const other = request({ requestId: REQUEST_ID, caller: callerNamed('key_other') });
    await mutate('CreateKey', other, async () => creation());
    expect(control.state.seq).toBe(12);
    expect(control.state.answers.size).toBe(2);
  });

  test('is recognized for 24 hours', async () => {
    const { mutate, claims, clock } = surroundings();
    await mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation());
    expect(claims.map(({ expireTimeMs }) => expireTimeMs)).toEqual([clock.nowMs() + 24 * 3_600_000]);
  });
});

describe('what is kept for retries', () => {
  test('shows neither the request id nor the token', async () => {
    const { mutate, control } = surroundings();
    await mutate('CreateKey', request({ requestId: REQUEST_ID }), async () => creation());
    const [[idHash, record] = []] = [...control.state.answers];
    if (idHash === undefined || record === undefined) throw new Error('nothing was kept');
    const kept = [Buffer.from(idHash), Buffer.from(record.requestDigestHex), record.sealedAnswer];
    for (const secret of [REQUEST_ID, token, token.slice(-12), key.secrets[0]?.digestHex ?? 'none']) {
      expect(Buffer.concat(kept).includes(secret)).toBe(false);
    }
  });

  test('is nothing without a request id', async () => {
    const { mutate, control, claims } = surroundings();
    await mutate('CreateKey', request(), async () => creation());
    await mutate('CreateKey', request(), async () => creation());
    expect(control.state.answers.size).toBe(0);
    expect(claims).toEqual([]);
    expect(control.state.seq).toBe(12);
  });
});
