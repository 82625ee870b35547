import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Verdict } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { newId } from '../../../core/ids.ts';
import { newToken } from '../../../core/token.ts';
import { administer } from '../administer.ts';
import { createClients, type Clients } from '../clients.ts';
import { startFaultProxy, type FaultProxy } from '../fault-proxy.ts';
import { createRandom, type Random } from '../random.ts';
import { spawnServer, type ServerProcess } from '../spawn-server.ts';
import { CALL_MS, LIMIT_NAME } from './cases.ts';

/** What one run with a balance found. */
export interface CreditReport {
  readonly granted: number;
  /** Credits of verifications that are known to have passed. */
  readonly accepted: number;
  /** Credits that calls asked for which nobody answered: some may have been spent. */
  readonly unanswered: number;
  /** What was granted and not accepted, once nobody has any: lost with the replica that was killed. Undefined if set. */
  readonly stranded: number | undefined;
  /** How often the balance was set meanwhile. */
  readonly sets: number;
  /** Ledger answers that were lost. */
  readonly lost: number;
  readonly tookMs: number;
  /** Balances from which more was accepted than there was. */
  readonly violations: readonly string[];
}

const REPLICAS = 3;
const BATCH = 256;
/**
 * At least so long from one call to a replica to the next, ms. A replica holds up to twice what it spends in 100 ms: at
 * this pace that is less than a hundredth of 100,000, on the fastest machine too.
 */
const PACE_MS = 100;

/** Wall clocks tell whole milliseconds, and are read one after the other. */
const CLOCK_MS = 2;

/** Servers for runs, one after the other. */
export interface CreditWorld {
  /**
   * Spends a balance on three replicas, one of which is killed midway.
   * @param options.sets how often the balance is set to another number meanwhile
   * @param options.losses how many answers of the ledger are lost, of each replica
   */
  run(options: {
    readonly seed: number;
    readonly credits: number;
    readonly sets: number;
    readonly losses: number;
  }): Promise<CreditReport>;
  close(): Promise<void>;
}

interface Member {
  readonly proxy: FaultProxy;
  server: ServerProcess;
  clients: Clients;
  alive: boolean;
}

/** A span of time that begins with a balance: what starts in it may spend no more. Of the monotonic clock, ms. */
interface Era {
  readonly fromMs: number;
  untilMs: number;
  readonly credits: number;
}

export async function startCreditWorld(options: {
  readonly databaseUrl: string;
  /** Where the server's program is; default: as it was built. */
  readonly program?: string;
}): Promise<CreditWorld> {
  const { databaseUrl, program } = options;
  const rootToken = newToken('latchkey', newId('key'));
  const members: Member[] = [];

  async function startServer(proxy: FaultProxy): Promise<Pick<Member, 'server' | 'clients'>> {
    const server = await spawnServer({
      env: { DATABASE_URL: proxy.url, LATCHKEY_ROOT_TOKEN: rootToken, LATCHKEY_LOG_LEVEL: 'error' },
      ...(program === undefined ? {} : { program }),
    });
    return { server, clients: createClients({ address: server.address, token: rootToken }) };
  }

  async function kill(member: Member): Promise<void> {
    member.alive = false;
    await member.server.end('SIGKILL');
    member.clients.close();
  }

  for (let index = 0; index < REPLICAS; index += 1) {
    const proxy = await startFaultProxy(databaseUrl);
    members.push({ proxy, alive: true, ...(await startServer(proxy)) });
  }

  async function newBalance(credits: number): Promise<{ readonly keyId: string; readonly token: string }> {
    const [first] = members;
    if (first === undefined) throw new Error('no replica has started');
    const { keyspaces, keys } = first.clients;
    const { keyspace } = await keyspaces.createKeyspace({
      keyspace: { slug: `c-${randomUUID()}`, tokenPrefix: 'cred' },
    });
    const { key, token } = await keys.createKey({
      key: {
        keyspaceId: keyspace?.id ?? '',
        limits: [{ name: LIMIT_NAME, kind: { $case: 'credits', value: { initial: BigInt(credits) } } }],
      },
    });
    return { keyId: key?.id ?? '', token };
  }

  /** What the ledger has of a balance. */
  async function leftOf(keyId: string): Promise<number> {
    return administer(databaseUrl, async (client) => {
      const { rows } = await client.query<{ balance: string }>(
        'SELECT balance FROM credit_balances WHERE id = $1',
        [`${keyId} ${LIMIT_NAME}`],
      );
      return Number(rows[0]?.balance ?? 0);
    });
  }

  async function run({
    seed,
    credits,
    sets,
    losses,
  }: Parameters<CreditWorld['run']>[0]): Promise<CreditReport> {
    const random = createRandom(seed);
    for (const member of members) {
      if (!member.alive) Object.assign(member, await startServer(member.proxy), { alive: true });
    }
    const { keyId, token } = await newBalance(credits);
    const startMs = performance.now();
    const eras: Era[] = [{ fromMs: -Infinity, untilMs: Infinity, credits }];
    const spent: { readonly sentMs: number; readonly cost: number }[] = [];
    const doomed = random.pick(members);
    const deathAt = credits * (0.3 + 0.4 * random.next());
    let [accepted, unanswered, lost, set] = [0, 0, 0, 0];
    let setting = sets > 0;
    let death: Promise<void> | undefined;

    /** Whether it had nothing of one credit left. */
    async function spend(member: Member, costs: readonly number[]): Promise<boolean> {
      const requests = costs.map((cost) => ({ token, charges: [{ limit: LIMIT_NAME, cost: BigInt(cost) }] }));
      const sentMs = performance.now();
      try {
        const signal = AbortSignal.timeout(CALL_MS);
        const { responses } = await member.clients.verify.batchVerify({ requests }, { signal });
        let passed = 0;
        let refused = 0;
        responses.forEach(({ result }, index) => {
          // What is not answered for want of the ledger's answer was not taken.
          if (result?.$case !== 'response') return;
          if (result.value.verdict === Verdict.VERDICT_VALID) passed += costs[index] ?? 0;
          if (result.value.verdict === Verdict.VERDICT_CREDITS_EXHAUSTED) refused += 1;
        });
        accepted += passed;
        if (passed > 0) spent.push({ sentMs, cost: passed });
        return refused === costs.length;
      } catch {
        unanswered += costs.reduce((sum, cost) => sum + cost, 0);
        return false;
      }
    }

    async function work(member: Member): Promise<void> {
      for (let dueMs = performance.now(); ; dueMs = Math.max(dueMs + PACE_MS, performance.now())) {
        await sleep(Math.max(0, dueMs - performance.now()));
        if (!member.alive) return;
        const isEmpty = await spend(member, costsOf(random));
        // Whatever it is at.
        if (accepted > deathAt && doomed !== undefined) death ??= kill(doomed);
        if (isEmpty && !setting) return;
      }
    }

    async function lose(member: Member): Promise<void> {
      for (let index = 0; index < losses && member.alive; index += 1) {
        await sleep(random.between(20, 400));
        // Never answered where nothing is asked any more.
        const isLost = await Promise.race([
          member.proxy.loseAnswerTo('latchkey_lease_credits').then(() => true),
          sleep(1000).then(() => false),
        ]);
        if (isLost) lost += 1;
      }
    }

    async function setBalances(): Promise<void> {
      try {
        for (let index = 0; index < sets; index += 1) {
          await sleep(random.between(100, 600));
          const value = random.between(0, credits);
          const requestId = randomUUID();
          const sentMs = performance.now();
          let effectiveMs: number | undefined;
          while (effectiveMs === undefined) {
            const member = random.pick(members.filter(({ alive }) => alive));
            effectiveMs = await setBalance(member?.clients, { keyId, value, requestId }).catch(
              () => undefined,
            );
          }
          const last = eras.at(-1);
          if (last !== undefined) last.untilMs = sentMs;
          eras.push({ fromMs: monotonicOf(effectiveMs) + CLOCK_MS, untilMs: Infinity, credits: value });
          set += 1;
        }
      } finally {
        setting = false;
      }
    }

    await Promise.all([
      ...members.map(work),
      ...(losses > 0 ? members.map(lose) : []),
      ...(sets > 0 ? [setBalances()] : []),
    ]);
    await death;
    // What the living had leased for other costs, and what others gave back.
    const living = members.filter(({ alive }) => alive);
    for (let empty = false; !empty;) {
      const seen = await Promise.all(living.map((member) => spend(member, Array<number>(64).fill(1))));
      empty = seen.every(Boolean) && (await leftOf(keyId)) === 0;
      if (!empty && seen.every(Boolean)) await sleep(50);
    }
    return {
      granted: credits,
      accepted,
      unanswered,
      stranded: sets === 0 ? credits - accepted : undefined,
      sets: set,
      lost,
      tookMs: Math.round(performance.now() - startMs),
      violations: eras.flatMap(({ fromMs, untilMs, credits: most }) => {
        const sum = spent.reduce(
          (total, { sentMs, cost }) => (sentMs > fromMs && sentMs < untilMs ? total + cost : total),
          0,
        );
        return sum <= most ? [] : [`seed ${seed}: ${sum} were accepted of a balance of ${most}`];
      }),
    };
  }

  return {
    run,
    async close() {
      for (const member of members) {
        if (member.alive) await kill(member);
        await member.proxy.close();
      }
    },
  };
}

/** Mostly 1, some up to 4. */
const costsOf = (random: Random): readonly number[] =>
  Array.from({ length: BATCH }, () => (random.next() < 0.8 ? 1 : random.between(2, 4)));

async function setBalance(
  clients: Clients | undefined,
  { keyId, value, requestId }: { readonly keyId: string; readonly value: number; readonly requestId: string },
): Promise<number> {
  if (clients === undefined) throw new Error('no replica is alive');
  const { effectiveTime } = await clients.limits.adjustCredits(
    {
      subject: { subject: { $case: 'keyId', value: keyId } },
      limit: LIMIT_NAME,
      change: { $case: 'set', value: BigInt(value) },
      requestId,
    },
    { signal: AbortSignal.timeout(CALL_MS) },
  );
  if (effectiveTime === undefined) throw new Error('a balance was set, and no effective_time told');
  return effectiveTime.getTime();
}

const monotonicOf = (wallMs: number): number => wallMs - (Date.now() - performance.now());
