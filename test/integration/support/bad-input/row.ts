import { newId } from '../../../../core/ids.ts';
import { newToken } from '../../../../core/token.ts';
import type { Fields } from '../contract.ts';

/** What a request may refer to, made before the tests. */
export interface Subjects {
  readonly keyId: string;
  readonly token: string;
  /** Its catalogue has the API `orders` with the block `read`. */
  readonly keyspaceId: string;
  /** Of the same keyspace. */
  readonly policyId: string;
  /** Of the same keyspace. */
  readonly ownerId: string;
  /** Of the same keyspace, with the rate limit `calls` and the credits `credits`. */
  readonly limitedOwnerId: string;
}

/** One request that differs from a good one. */
export interface Row {
  /** What is special, for people. */
  readonly what: string;
  /** The fields that are set, by their paths in the contract. */
  readonly set: Readonly<Record<string, unknown>>;
  /** The fields that the violations must name, in any order; empty: the request passes. */
  readonly refused: readonly string[];
  /** The codes of a request that passes: it may be about something that is not there. */
  readonly codes: readonly number[];
}

/** All rows of one RPC. */
export interface Table {
  /** `KeyService/CreateKey`. */
  readonly rpc: string;
  /** A request that passes. */
  readonly good: (subjects: Subjects) => Fields;
  readonly rows: readonly Row[];
  /** Fields that take anything: output only, or without bounds. */
  readonly free: readonly string[];
}

/** A token as good as any: it was never issued, but nobody can see that. */
export const SOME_TOKEN = newToken('acme', newId('key'));

/** The request is refused for this field. @param refused the fields that must be named, if not exactly this one */
export function bad(path: string, what: string, value: unknown, ...refused: readonly string[]): Row {
  return row(`${path}: ${what}`, { [path]: value }, refused.length === 0 ? [path] : refused);
}

/** The request is refused for several fields, which must all be named; or for one that no path leads to. */
export function allBad(set: Readonly<Record<string, unknown>>, refused: readonly string[]): Row {
  return row(`combination: ${refused.join(', ')}`, set, refused);
}

/** The request passes. */
export function good(path: string, what: string, value: unknown, codes: readonly number[] = [0]): Row {
  return { ...row(`${path}: ${what} passes`, { [path]: value }, []), codes };
}

function row(what: string, set: Readonly<Record<string, unknown>>, refused: readonly string[]): Row {
  return { what, set, refused, codes: [0] };
}

/** Those of the rows that pass may be answered with one of these codes instead: what is asked for may be there already, or not. */
export function allowing(codes: readonly number[], rows: readonly Row[]): readonly Row[] {
  return rows.map((one) => (one.refused.length > 0 ? one : { ...one, codes }));
}

const CONTROLS = ['\0', '\u0001', '\n', '\r', '\t', '\u001b', '\u001f', '\u007f'];

/** Rows for a text for people. */
export function texts(
  path: string,
  max: number,
  options: { readonly multiline?: boolean } = {},
): readonly Row[] {
  return [
    good(path, `${max} characters`, 'x'.repeat(max)),
    good(path, `${max} characters of four bytes each`, '🔑'.repeat(max)),
    bad(path, `${max + 1} characters`, 'x'.repeat(max + 1)),
    bad(path, `${max + 1} characters of four bytes each`, '🔑'.repeat(max + 1)),
    bad(path, 'a hundred thousand characters', 'x'.repeat(100_000)),
    ...(options.multiline === true
      ? [bad(path, 'a NUL', 'a\0b'), good(path, 'lines and tabs', 'a\r\n\tb')]
      : CONTROLS.map((control) => bad(path, `the control ${JSON.stringify(control)}`, `a${control}b`))),
    bad(path, 'a token', SOME_TOKEN),
    ...(max < 80
      ? []
      : [
          bad(path, 'a token in a sentence', `see "${SOME_TOKEN}".`),
          bad(path, 'a token with something after it', `${SOME_TOKEN}xyz`),
          good(path, 'a token with one letter missing', SOME_TOKEN.slice(0, -1)),
        ]),
  ];
}

/** Rows for a list of texts, each of which is not empty. */
export function textLists(
  path: string,
  options: {
    readonly countMax: number;
    readonly max: number;
    /** A text of so many characters that passes. */
    readonly sample?: (length: number) => string;
  },
): readonly Row[] {
  const { countMax, max, sample = (length) => 'x'.repeat(length) } = options;
  const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `x${index}`);
  return [
    good(path, `${countMax} entries`, many(countMax)),
    bad(path, `${countMax + 1} entries`, many(countMax + 1)),
    good(path, `an entry of ${max} characters`, [sample(max)]),
    bad(path, `an entry of ${max + 1} characters`, ['x', sample(max + 1)], `${path}[1]`),
    bad(path, 'an empty entry', ['x', ''], `${path}[1]`),
    bad(path, 'an entry with a control character', ['a\nb', 'x', 'a\0'], `${path}[0]`, `${path}[2]`),
    bad(path, 'an entry that is a token', ['x', 'y', SOME_TOKEN], `${path}[2]`),
    bad(path, 'a token twice, told once an entry', [SOME_TOKEN, SOME_TOKEN], `${path}[0]`, `${path}[1]`),
  ];
}

const SIXTEEN = '0123456789abcdEF';

/** Rows for an id that the server has chosen. @param prefix `key_`, `ks_` or `pol_` */
export function ids(
  path: string,
  prefix: 'key_' | 'ks_' | 'pol_',
  options: { readonly optional?: boolean } = {},
): readonly Row[] {
  const wrong = [
    ...(options.optional === true ? [] : ['']),
    'x',
    prefix,
    SIXTEEN,
    prefix + SIXTEEN.slice(1),
    `${prefix}${SIXTEEN}0`,
    `${prefix}${SIXTEEN.slice(1)}-`,
    `${prefix}${SIXTEEN.slice(1)}\n`,
    ` ${prefix}${SIXTEEN}`,
    `${prefix}${SIXTEEN} `,
    `${prefix.toUpperCase()}${SIXTEEN}`,
    `${prefix}${'é'.repeat(16)}`,
    `${prefix}${'\0'.repeat(16)}`,
    `${prefix === 'key_' ? 'ks_' : 'key_'}${SIXTEEN}`,
    `${prefix}%`,
    '🔑'.repeat(64),
    'x'.repeat(65),
    'x'.repeat(100_000),
    SOME_TOKEN,
  ];
  return wrong.map((value) =>
    bad(path, `${value.length} characters, ${JSON.stringify(value.slice(0, 24))}`, value),
  );
}

const A_UUID = '123e4567-e89b-42d3-a456-426614174000';

/** Rows for the id of a request. */
export const requestIds: readonly Row[] = [
  ...[
    'x',
    A_UUID.slice(1),
    `${A_UUID}0`,
    `{${A_UUID}}`,
    ` ${A_UUID}`,
    `${A_UUID}\n`,
    A_UUID.replaceAll('-', ''),
  ].map((value) => bad('request_id', JSON.stringify(value), value)),
  bad('request_id', 'a token', SOME_TOKEN),
  bad('request_id', 'a hundred thousand characters', 'x'.repeat(100_000)),
];

/** Rows for an etag: any other text would be ABORTED. */
export function etags(path: string): readonly Row[] {
  return [
    bad(path, '65 characters', 'x'.repeat(65)),
    bad(path, 'a control character', '1\n'),
    bad(path, 'a token', SOME_TOKEN),
    good(path, '64 characters', 'x'.repeat(64), [10]),
  ];
}

export const INT64_MAX = 2n ** 63n - 1n;
export const INT64_MIN = -(2n ** 63n);
const HUNDRED_YEARS_S = BigInt(100 * 365 * 86_400);

/** Rows for a lifetime of 1 second to 100 years. */
export function lifetimes(path: string): readonly Row[] {
  const span = (seconds: bigint, nanos = 0): object => ({ seconds, nanos });
  return [
    good(path, 'one second', span(1n)),
    good(path, 'a hundred years', span(HUNDRED_YEARS_S)),
    ...[
      span(0n),
      span(0n, 999_999_999),
      span(-1n),
      span(0n, -1),
      span(-1n, -999_999_999),
      span(HUNDRED_YEARS_S + 1n),
      span(INT64_MAX),
      span(INT64_MIN),
      span(INT64_MAX, 2_147_483_647),
      span(INT64_MIN, -2_147_483_648),
      // No Duration at all: nanos out of range, or of another sign than the seconds.
      span(0n, 2_000_000_000),
      span(5n, 1_000_000_000),
      span(5n, -1),
      span(5n, -2_147_483_648),
    ].map((value) => bad(path, describeSpan(value), value)),
  ];
}

/** Rows for a span of nothing to `maxS` seconds. */
export function spans(path: string, maxS: bigint): readonly Row[] {
  const span = (seconds: bigint, nanos = 0): object => ({ seconds, nanos });
  return [
    ...[undefined, span(0n), span(0n, 999_999_999), span(1n), span(maxS)].map((value) =>
      good(path, value === undefined ? 'nothing' : describeSpan(value), value),
    ),
    ...[
      span(-1n),
      span(0n, -1),
      span(-1n, -999_999_999),
      span(-1n, 999_999_999),
      span(maxS, 1_000_000),
      span(maxS + 1n),
      span(INT64_MAX),
      span(INT64_MIN),
      span(INT64_MAX, 2_147_483_647),
      span(INT64_MIN, -2_147_483_648),
      span(0n, 1_000_000_000),
      span(5n, -1),
    ].map((value) => bad(path, describeSpan(value), value)),
  ];
}

/** Rows for data of the user's own. */
export function metadata(path: string): readonly Row[] {
  const entries = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, 'x']));
  return [
    good(path, '64 entries', entries(64)),
    bad(path, '65 entries', entries(65)),
    good(path, '4096 bytes', { ['é'.repeat(32)]: 'x'.repeat(4096 - 64) }),
    bad(path, '4097 bytes', { ['é'.repeat(32)]: 'x'.repeat(4097 - 64) }),
    bad(path, '4098 bytes in two-byte characters', { a: 'é'.repeat(2048), b: '' }),
    good(path, 'a name of 64 characters', { ['🔑'.repeat(64)]: '' }),
    bad(path, 'a name of 65 characters', { ['x'.repeat(65)]: '' }),
    bad(path, 'an empty name', { '': 'x' }),
    bad(path, 'a control character in a name', { 'a\nb': 'x' }),
    bad(path, 'a NUL in a value', { a: '\0' }),
    good(path, 'lines in a value', { a: 'b\r\n\tc' }),
    bad(path, 'a token in a value', { a: `see ${SOME_TOKEN}` }),
    bad(path, 'a token as a name', { [SOME_TOKEN]: 'x' }),
  ];
}

/** Rows for the size of a page. */
export const pageSizes: readonly Row[] = [
  ...[0, 1, 1000, 1001, 2_147_483_647].map((size) => good('page_size', String(size), size)),
  ...[-1, -2_147_483_648].map((size) => bad('page_size', String(size), size)),
];

/** Page tokens that are none. Those that were tampered with stand in `keys.list.test.ts`. */
export const pageTokens: readonly Row[] = [
  ...[
    'x',
    'null',
    'e30',
    'bnVsbA',
    'eyJxIjoxfQ',
    '{}',
    '%%%',
    '\0',
    'x'.repeat(4096),
    'x'.repeat(4097),
    'x'.repeat(100_000),
  ].map((value) =>
    bad('page_token', `${value.length} characters, ${JSON.stringify(value.slice(0, 12))}`, value),
  ),
  bad('page_token', 'a token', SOME_TOKEN),
];

/** Rows for an update mask. @param known a path that may stand in it @param wrong some that may not, beside those that never may */
export function masks(known: string, wrong: readonly string[]): readonly Row[] {
  return [
    bad('update_mask', 'nothing', undefined),
    bad('update_mask', 'no path', { paths: [] }),
    bad('update_mask', 'ten thousand paths', { paths: Array.from({ length: 10_000 }, () => 'x') }),
    ...['', 'id', 'etag', `${known}.x`, `${known}[0]`, ` ${known}`, '\0', SOME_TOKEN, ...wrong].map((path) =>
      bad(
        'update_mask',
        `the path ${JSON.stringify(path.slice(0, 12))}`,
        { paths: [known, path] },
        'update_mask.paths[1]',
      ),
    ),
  ];
}

/** Rows for a time. @param options.future whether it must be in the future */
export function times(path: string, options: { readonly future?: boolean } = {}): readonly Row[] {
  const time = (seconds: bigint, nanos = 0): object => ({ seconds, nanos });
  const year10000 = 253_402_300_800n;
  return [
    good(path, 'the last second of 9999', time(year10000 - 1n)),
    ...(options.future === true ? [bad(path, '1970', time(0n))] : [good(path, '1970', time(0n))]),
    ...[
      time(year10000),
      time(-1n),
      time(-1n, 1),
      time(INT64_MAX),
      time(INT64_MIN),
      time(INT64_MAX, 2_147_483_647),
      time(INT64_MIN, -2_147_483_648),
      time(8_640_000_000_000n),
      time(8_640_000_000_001n),
    ].map((value) => bad(path, describeSpan(value), value)),
  ];
}

function describeSpan(value: object): string {
  const { seconds, nanos } = value as { seconds: bigint; nanos: number };
  return `${seconds} s and ${nanos} ns`;
}
