import {
  allBad,
  allowing,
  bad,
  good,
  ids,
  INT64_MAX,
  INT64_MIN,
  requestIds,
  SOME_TOKEN,
  texts,
  times,
  type Row,
  type Table,
} from './row.ts';

const BILLION = 1_000_000_000n;
const TRILLION = 1_000_000_000_000n;
const UINT64_MAX = 2n ** 64n - 1n;
const DAY_S = 86_400n;

const span = (seconds: bigint, nanos = 0): object => ({ seconds, nanos });
const MINUTE = span(60n);

const rate = (limit: bigint, window: object | undefined, name = 'calls'): object => ({
  name,
  kind: { case: 'rate', value: { limit, window } },
});
const credits = (value: object): object => ({ name: 'calls', kind: { case: 'credits', value } });
const refill = (change: object): object =>
  credits({ initial: 1n, refill: { amount: 1n, interval: 1, ...change } });

/** Rows for the limits of a key, a policy or an owner. */
export function limitRows(path: string): readonly Row[] {
  const takes = (what: string, ...limits: readonly object[]): Row => good(path, what, limits);
  const refuses = (what: string, field: string, limit: object): Row =>
    bad(path, what, [rate(1n, MINUTE, 'first'), limit], `${path}[1]${field}`);
  const many = (count: number): object[] =>
    Array.from({ length: count }, (_, index) => rate(1n, MINUTE, `n${index}`));
  return [
    takes('the widest of rates', rate(BILLION, span(30n * DAY_S))),
    takes('the narrowest', rate(1n, span(1n))),
    takes('an odd one', rate(7n, span(1n, 1_000_000))),
    takes('no credits', credits({})),
    takes('the most credits', refill({ amount: TRILLION, maxBalance: TRILLION })),
    ...[
      { interval: 2, day: 1 },
      { interval: 2, day: 7 },
      { interval: 3, day: 1 },
      { interval: 3, day: 31 },
    ].map((when) => takes(`a refill ${JSON.stringify(when)}`, refill(when))),
    takes('what to do without a ledger', { ...rate(1n, MINUTE), onUnavailable: 2, onDemand: true }),
    good(path, '16 limits', many(16)),
    good(path, 'a name of 64 characters', [rate(1n, MINUTE, `a${'-'.repeat(63)}`)]),
    bad(path, '17 limits', many(17)),
    bad(path, 'one name twice', [...many(2), rate(2n, MINUTE, 'n0')], `${path}[2].name`),
    ...['', 'Calls', '1st', '-a', 'a b', 'a.b', 'ä', 'a\n', '\0', `a${'b'.repeat(64)}`, SOME_TOKEN].map(
      (name) => refuses(`the name ${JSON.stringify(name.slice(0, 12))}`, '.name', rate(1n, MINUTE, name)),
    ),
    refuses('neither a rate nor credits', '', { name: 'calls' }),
    ...[0n, BILLION + 1n, UINT64_MAX].map((limit) =>
      refuses(`a rate of ${limit}`, '.rate.limit', rate(limit, MINUTE)),
    ),
    ...[
      undefined,
      span(0n),
      span(0n, 999_000_000),
      span(1n, 1),
      span(1n, 1_500_000),
      span(30n * DAY_S, 1_000_000),
      span(-60n),
      span(60n, -1_000_000),
      span(60n, 1_000_000_000),
      span(INT64_MAX),
      span(INT64_MIN, -2_147_483_648),
    ].map((window, index) => refuses(`the window no. ${index}`, '.rate.window', rate(1n, window))),
    ...[TRILLION + 1n, UINT64_MAX].map((initial) =>
      refuses(`${initial} credits`, '.credits.initial', credits({ initial })),
    ),
    ...[0n, TRILLION + 1n, UINT64_MAX].flatMap((amount) => [
      refuses(`a refill of ${amount}`, '.credits.refill.amount', refill({ amount })),
      refuses(`a refill up to ${amount}`, '.credits.refill.max_balance', refill({ maxBalance: amount })),
    ]),
    ...[0, 4, -1].map((interval) =>
      refuses(`the interval ${interval}`, '.credits.refill.interval', refill({ interval })),
    ),
    ...(
      [
        [1, 1],
        [2, 0],
        [2, 8],
        [3, 0],
        [3, 32],
        [3, 4_294_967_295],
      ] as const
    ).map(([interval, day]) =>
      refuses(`day ${day} of interval ${interval}`, '.credits.refill.day', refill({ interval, day })),
    ),
    ...[3, -1].map((value) =>
      refuses(`${value} without a ledger`, '.on_unavailable', { ...rate(1n, MINUTE), onUnavailable: value }),
    ),
    bad(
      path,
      'a limit that is wrong all over',
      [{ name: '', kind: { case: 'rate', value: {} }, onUnavailable: 9 }],
      `${path}[0].name`,
      `${path}[0].rate.limit`,
      `${path}[0].rate.window`,
      `${path}[0].on_unavailable`,
    ),
  ];
}

const [OK, NOT_FOUND, FAILED_PRECONDITION] = [0, 5, 9];

/** Puts something good beside what a row is about: only that is wrong. */
function beside(set: Row['set']): (row: Row) => Row {
  return (row) => ({ ...row, set: { ...set, ...row.set } });
}

/** Rows for whose limits are meant. There may be nobody of that name. */
const subjects: readonly Row[] = [
  bad('subject', 'nothing', undefined),
  bad('subject', 'nobody', {}),
  ...ids('subject.key_id', 'key_'),
  ...ids('subject.owner.keyspace_id', 'ks_').map(beside({ 'subject.owner.id': 'x' })),
  ...allowing(
    [NOT_FOUND],
    texts('subject.owner.id', 256).map(beside({ 'subject.owner.keyspace_id': 'ks_0000000000000000' })),
  ),
  allBad({ 'subject.owner': {} }, ['subject.owner.keyspace_id', 'subject.owner.id']),
];

/** Rows of every change of a limit. */
const target: readonly Row[] = [
  ...subjects,
  ...allowing([NOT_FOUND], texts('limit', 64)),
  bad('limit', 'none', ''),
  ...texts('note', 1024, { multiline: true }),
  ...requestIds,
  allBad({ subject: {}, limit: '', note: '\0', request_id: 'x' }, ['subject', 'limit', 'note', 'request_id']),
];

const status: Table = {
  rpc: 'LimitService/GetLimitStatus',
  good: ({ keyId }) => ({ subject: { subject: { case: 'keyId', value: keyId } } }),
  rows: subjects,
  free: [],
};

const owned = (keyspaceId: string, id: string): object => ({
  subject: { case: 'owner', value: { keyspaceId, id } },
});

const amounts = (kind: 'add' | 'take'): readonly Row[] => [
  ...[1n, TRILLION].map((value) => good(kind, String(value), value, [OK, FAILED_PRECONDITION])),
  ...[0n, TRILLION + 1n, UINT64_MAX].map((value) => bad(kind, String(value), value)),
];

const adjust: Table = {
  rpc: 'LimitService/AdjustCredits',
  good: ({ keyspaceId, limitedOwnerId }) => ({
    subject: owned(keyspaceId, limitedOwnerId),
    limit: 'credits',
    change: { case: 'add', value: 1n },
  }),
  rows: [
    ...target,
    ...amounts('add'),
    ...amounts('take'),
    ...[0n, 1n, TRILLION].map((value) => good('set', String(value), value)),
    ...[TRILLION + 1n, UINT64_MAX].map((value) => bad('set', String(value), value)),
  ],
  free: ['wait'],
};

const override: Table = {
  rpc: 'LimitService/SetLimitOverride',
  good: ({ keyspaceId, limitedOwnerId }) => ({
    subject: owned(keyspaceId, limitedOwnerId),
    limit: 'calls',
    value: 5n,
    until: { case: 'ttl', value: MINUTE },
  }),
  rows: [
    ...target,
    ...[0n, BILLION].map((value) => good('value', String(value), value)),
    ...[BILLION + 1n, UINT64_MAX].map((value) => bad('value', String(value), value)),
    ...[span(1n), span(366n * DAY_S)].map((value, index) => good('ttl', `no. ${index}`, value)),
    ...[
      span(0n),
      span(0n, 999_000_000),
      span(1n, 1),
      span(366n * DAY_S, 1_000_000),
      span(-1n),
      span(5n, -1),
      span(INT64_MAX),
      span(INT64_MIN),
    ].map((value, index) => bad('ttl', `no. ${index}`, value)),
    ...times('end_time', { future: true }).filter(({ refused }) => refused.length > 0),
    bad('end_time', 'in more than 366 days', span(BigInt(Math.ceil(Date.now() / 1000)) + 367n * DAY_S)),
    good('end_time', 'in a day', span(BigInt(Math.floor(Date.now() / 1000)) + DAY_S)),
  ],
  free: ['wait'],
};

const clear: Table = {
  rpc: 'LimitService/ClearLimitOverride',
  good: ({ keyspaceId, limitedOwnerId }) => ({
    subject: owned(keyspaceId, limitedOwnerId),
    limit: 'calls',
  }),
  rows: target,
  free: ['wait'],
};

export const LIMIT_TABLES: readonly Table[] = [status, adjust, override, clear];
