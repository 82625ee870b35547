import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { compileSnapshot } from '../../../core/snapshot.ts';
import { createLogger } from '../../../server/telemetry/logger.ts';
import { createUseRecorder, type SecretUse } from '../../../server/usage/use-recorder.ts';
import { issueKey } from '../support/issue-key.ts';

const START_MS = Date.UTC(2026, 0, 1);

beforeEach(() => {
  vi.useFakeTimers({ now: START_MS });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A recorder whose writes are kept, or go wrong as long as the test wants. */
function recorder() {
  const world = { written: [] as (readonly SecretUse[])[], failing: false };
  const uses = createUseRecorder({
    write: async (some) => {
      if (world.failing) throw new Error('no database');
      world.written.push(some);
    },
    clock: { nowMs: () => Date.now() },
    logger: createLogger({ level: 'silent' }),
  });
  return Object.assign(world, { uses });
}

/** A snapshot with its secret. */
function used() {
  const snapshot = compileSnapshot(issueKey().key);
  const [secret] = snapshot.secrets;
  if (secret === undefined) throw new Error('a key without a secret');
  const at = (timeMs: number): SecretUse => ({ secretId: secret.id, keyId: snapshot.key.id, timeMs });
  return { snapshot, secret, at };
}

describe('a use', () => {
  test('is written within ten seconds, with the time that it had', async () => {
    const world = recorder();
    const { snapshot, secret, at } = used();
    await vi.advanceTimersByTimeAsync(5000);
    world.uses.note(snapshot, secret);
    expect(world.written).toEqual([]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(world.written).toEqual([[at(START_MS + 5000)]]);
    await world.uses.stop();
  });

  test('of one secret is written once a minute, however often it comes', async () => {
    const world = recorder();
    const { snapshot, secret, at } = used();
    for (let second = 0; second < 125; second += 1) {
      world.uses.note(snapshot, secret);
      await vi.advanceTimersByTimeAsync(1000);
    }
    await world.uses.stop();
    const minutes = [0, 60_000, 120_000].map((laterMs) => at(START_MS + laterMs));
    expect(world.written.flat()).toEqual(minutes);
  });

  test('of another secret of the key is another', async () => {
    const world = recorder();
    const one = used();
    const other = used();
    for (const { snapshot, secret } of [one, other, one, other]) world.uses.note(snapshot, secret);
    await world.uses.stop();
    expect(world.written).toEqual([[one.at(START_MS), other.at(START_MS)]]);
  });

  test('that is noted before the stop is written by it', async () => {
    const world = recorder();
    const { snapshot, secret, at } = used();
    world.uses.note(snapshot, secret);
    await world.uses.stop();
    expect(world.written).toEqual([[at(START_MS)]]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.written).toHaveLength(1);
  });
});

describe('while the database is away', () => {
  test('uses are kept, and written once it is back', async () => {
    const world = recorder();
    const before = used();
    const meanwhile = used();
    world.failing = true;
    world.uses.note(before.snapshot, before.secret);
    await vi.advanceTimersByTimeAsync(10_000);
    world.uses.note(meanwhile.snapshot, meanwhile.secret);
    await vi.advanceTimersByTimeAsync(10_000);
    world.failing = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(world.written).toEqual([[before.at(START_MS), meanwhile.at(START_MS + 10_000)]]);
    await world.uses.stop();
  });

  test('a stop ends all the same', async () => {
    const world = recorder();
    const { snapshot, secret } = used();
    world.failing = true;
    world.uses.note(snapshot, secret);
    await world.uses.stop();
    expect(world.written).toEqual([]);
  });
});

test('a write that takes long is not overtaken by the next', async () => {
  let running = 0;
  let most = 0;
  const uses = createUseRecorder({
    write: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 25_000));
      running -= 1;
    },
    clock: { nowMs: () => Date.now() },
    logger: createLogger({ level: 'silent' }),
  });
  for (let round = 0; round < 6; round += 1) {
    const { snapshot, secret } = used();
    uses.note(snapshot, secret);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(most).toBe(1);
  const stopped = uses.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  await stopped;
});
