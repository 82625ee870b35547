import { z } from 'zod';
import { parseToken } from '../core/token.ts';

/** A host and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

interface Setting<T> {
  /** Text to value; its message says what is allowed. */
  readonly schema: z.ZodType<T, string>;
  /** The text that stands where none is given; undefined: the setting is off. */
  readonly fallback: string | undefined;
  /** What it does, with its unit. */
  readonly about: string;
  /** Whether its value must never be printed. */
  readonly secret?: boolean;
}

/** The bounds that a number was given, for its error. */
function integer(min: number, max: number): z.ZodType<number, string> {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

function oneOf<const V extends string>(...values: readonly [V, ...V[]]): z.ZodType<V, string> {
  return z.string().pipe(z.enum(values, `must be one of ${values.join(', ')}`));
}

const text = z.string().min(1, 'must not be empty');

const flag = oneOf('true', 'false').transform((value) => value === 'true') as z.ZodType<boolean, string>;

const address = z.string().transform((value, context): Address => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  if (match !== null && port <= 65_535) return { host: match[1] ?? match[2] ?? '', port };
  context.addIssue({ code: 'custom', message: 'must be host:port, such as 127.0.0.1:50051 or [::1]:50051' });
  return z.NEVER;
}) as z.ZodType<Address, string>;

const addressOrOff = z.string().transform((value, context): Address | undefined => {
  if (value === 'off') return undefined;
  const parsed = address.safeParse(value);
  if (parsed.success) return parsed.data;
  context.addIssue({ code: 'custom', message: 'must be host:port, such as 127.0.0.1:9464, or off' });
  return z.NEVER;
}) as z.ZodType<Address | undefined, string>;

const databaseUrl = z
  .string()
  .refine(
    (value) => /^postgres(?:ql)?:\/\//.test(value) && URL.canParse(value),
    'must be postgres://user:password@host:port/database',
  );

const rootToken = z
  .string()
  .refine(
    (value) => parseToken(value) !== undefined,
    'must be a whole token, as `npm start -- new-root-token` prints one',
  );

/** Every setting: `--help` and docs/configuration.md are made of this table, and nothing else reads the environment. */
export const SETTINGS = {
  LATCHKEY_LISTEN: setting(address, '127.0.0.1:50051', 'Where gRPC is served.'),
  LATCHKEY_HTTP_LISTEN: setting(
    addressOrOff,
    '127.0.0.1:9464',
    'Where metrics and probes are served (`/metrics`, `/livez`, `/readyz`); `off` serves none.',
  ),
  LATCHKEY_DATA_DIR: setting(
    text,
    '.latchkey',
    'Directory of the embedded database and of the root token. Relative to where the process starts.',
  ),
  DATABASE_URL: secret(databaseUrl, 'A Postgres (13 or later) to use instead of the embedded database.'),
  LATCHKEY_ROOT_TOKEN: secret(
    rootToken,
    'A root token to accept, instead of one that is made at the first start and kept in `<data dir>/root-token`.',
  ),
  LATCHKEY_MIGRATE: setting(
    flag,
    'true',
    'Whether a start brings the schema up to date; if `false`, run `migrate` before.',
  ),
  LATCHKEY_REFLECTION: setting(
    flag,
    'true',
    'Whether reflection is served, which needs no token and tells of methods and fields only.',
  ),
  LATCHKEY_LOG_LEVEL: setting(
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    'info',
    'What is logged, a line of JSON a record, on standard error.',
  ),
  LATCHKEY_TLS_CERT_FILE: optional(
    text,
    'PEM file of the certificate to serve TLS with; needs LATCHKEY_TLS_KEY_FILE. Read at the start.',
  ),
  LATCHKEY_TLS_KEY_FILE: optional(text, 'PEM file of its private key.'),
  LATCHKEY_TLS_CLIENT_CA_FILE: optional(
    text,
    'PEM file of the authority whose certificates clients must show (mTLS).',
  ),
  LATCHKEY_CACHE_BYTES: setting(
    integer(1_000_000, 2 ** 40),
    '134217728',
    'How much memory keys may take, bytes; a key takes about 7 kB.',
  ),
  LATCHKEY_MAX_STALENESS_MS: setting(
    integer(200, 60_000),
    '2000',
    'On Postgres: how long keys in memory are answered for after the database was last heard of (the lease), ms. It bounds how late a change takes effect on a replica that is cut off, and how long an outage goes unnoticed.',
  ),
  LATCHKEY_POLL_MS: setting(
    integer(20, 10_000),
    '200',
    'On Postgres: time between two looks for changes made by other replicas, ms; shorter than half of LATCHKEY_MAX_STALENESS_MS. A change that takes access away is looked for at once.',
  ),
  LATCHKEY_DATABASE_POOL_SIZE: setting(
    integer(1, 1000),
    '10',
    'On Postgres: the most connections for management, besides those for reading keys and one each for the poll and the ledger of limits.',
  ),
  LATCHKEY_DATABASE_LOAD_POOL_SIZE: setting(
    integer(1, 1000),
    '2',
    'On Postgres: the most connections for reading keys that are not in memory, besides those of the pool; it bounds what a flood of unknown keys can ask of the database.',
  ),
  LATCHKEY_DATABASE_PREPARED_STATEMENTS: setting(
    flag,
    'true',
    'On Postgres: whether statements that are run over and over are prepared, which makes the read of a key ten times cheaper for the database. Off behind a pooler in transaction mode that does not know them (PgBouncer before 1.21).',
  ),
  LATCHKEY_DATABASE_CONNECT_TIMEOUT_MS: setting(
    integer(10, 60_000),
    '2000',
    'On Postgres: how long connecting may take, ms.',
  ),
  LATCHKEY_DATABASE_ACQUIRE_TIMEOUT_MS: setting(
    integer(10, 60_000),
    '3000',
    'How long a query waits for a free connection, ms; then the call is UNAVAILABLE.',
  ),
  LATCHKEY_DATABASE_STATEMENT_TIMEOUT_MS: setting(
    integer(10, 600_000),
    '5000',
    'On Postgres: how long one statement may run, ms.',
  ),
  LATCHKEY_STARTUP_TIMEOUT_MS: setting(
    integer(0, 3_600_000),
    '60000',
    'How long a start waits for the database, ms.',
  ),
  LATCHKEY_SHUTDOWN_GRACE_MS: setting(
    integer(0, 600_000),
    '10000',
    'How long a stop waits for calls under way, ms.',
  ),
  LATCHKEY_MAX_MESSAGE_BYTES: setting(
    integer(65_536, 2 ** 30),
    '4194304',
    'The largest request, bytes; a larger one is RESOURCE_EXHAUSTED.',
  ),
  LATCHKEY_MAX_METADATA_BYTES: setting(
    integer(1024, 1_048_576),
    '16384',
    'The most metadata of a call, bytes of names and values; more is RESOURCE_EXHAUSTED.',
  ),
  LATCHKEY_MAX_CONCURRENT_STREAMS: setting(
    integer(1, 1_000_000),
    '1000',
    'The most calls at a time on one connection; more wait in the client.',
  ),
  LATCHKEY_CONNECTION_IDLE_MS: setting(
    integer(1000, 86_400_000),
    '900000',
    'A connection without calls is closed after this, ms.',
  ),
  LATCHKEY_CONNECTION_AGE_MS: setting(
    integer(1000, 86_400_000),
    '3600000',
    'A connection is told to reconnect after this, ms, so that clients find new replicas.',
  ),
  LATCHKEY_CONNECTION_AGE_GRACE_MS: setting(
    integer(0, 600_000),
    '30000',
    'What calls on such a connection get to finish, ms.',
  ),
  LATCHKEY_KEEPALIVE_TIME_MS: setting(
    integer(1000, 86_400_000),
    '60000',
    'A silent connection is pinged after this, ms.',
  ),
  LATCHKEY_KEEPALIVE_TIMEOUT_MS: setting(
    integer(100, 600_000),
    '20000',
    'A connection that leaves a ping unanswered for this is closed, ms.',
  ),
} as const;

type Settings = typeof SETTINGS;

/** The settings of a process, by their names. */
export type Config = { readonly [N in keyof Settings]: Settings[N] extends Setting<infer T> ? T : never };

/** All that is wrong with an environment. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

/** @throws ConfigError that names every fault, and no secret */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  for (const name of Object.keys(environment)) {
    if (name.startsWith('LATCHKEY_') && !(name in SETTINGS))
      faults.push(`${name}: there is no such setting${suggestion(name)}`);
  }
  const entries = Object.entries<Setting<unknown>>(SETTINGS).map(
    ([name, { schema, fallback, secret: hidden }]) => {
      const given = environment[name];
      const value = given === undefined || given === '' ? fallback : given;
      if (value === undefined) return [name, undefined];
      const parsed = schema.safeParse(value);
      if (parsed.success) return [name, parsed.data];
      const reason = [...new Set(parsed.error.issues.map(({ message }) => message))].join('; ');
      faults.push(`${name}: ${reason}${hidden === true ? '' : `, not ${JSON.stringify(value)}`}`);
      return [name, undefined];
    },
  );
  const config = Object.fromEntries(entries) as Config;

  if ((config.LATCHKEY_TLS_CERT_FILE === undefined) !== (config.LATCHKEY_TLS_KEY_FILE === undefined)) {
    faults.push('LATCHKEY_TLS_CERT_FILE, LATCHKEY_TLS_KEY_FILE: TLS needs both or neither');
  }
  if (config.LATCHKEY_TLS_CLIENT_CA_FILE !== undefined && config.LATCHKEY_TLS_CERT_FILE === undefined) {
    faults.push('LATCHKEY_TLS_CLIENT_CA_FILE: client certificates need TLS; set LATCHKEY_TLS_CERT_FILE too');
  }
  // A lease counts from the poll before the last one: with two polls in it, memory would be given up between them.
  if (2 * config.LATCHKEY_POLL_MS >= config.LATCHKEY_MAX_STALENESS_MS) {
    faults.push('LATCHKEY_POLL_MS: must be shorter than half of LATCHKEY_MAX_STALENESS_MS');
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze(config);
}

/** The settings for people: a row of name, default and effect each. */
export function describeSettings(): readonly {
  readonly name: string;
  readonly fallback: string;
  readonly about: string;
}[] {
  return Object.entries<Setting<unknown>>(SETTINGS).map(([name, { fallback, about }]) => ({
    name,
    fallback: fallback ?? '',
    about,
  }));
}

function setting<T>(schema: z.ZodType<T, string>, fallback: string, about: string): Setting<T> {
  return { schema, fallback, about };
}

function optional<T>(schema: z.ZodType<T, string>, about: string): Setting<T | undefined> {
  return { schema, fallback: undefined, about };
}

function secret<T>(schema: z.ZodType<T, string>, about: string): Setting<T | undefined> {
  return { schema, fallback: undefined, about, secret: true };
}

/** The setting that was probably meant: the one that begins alike for longest, past the prefix that all share. */
function suggestion(name: string): string {
  const alike = (other: string): number =>
    Array.from(other).findIndex((letter, index) => letter !== name[index]);
  const length = (other: string): number => (alike(other) === -1 ? other.length : alike(other));
  const [best] = Object.keys(SETTINGS).toSorted((a, b) => length(b) - length(a));
  return best !== undefined && length(best) >= 'LATCHKEY_'.length + 3 ? `; did you mean ${best}?` : '';
}
