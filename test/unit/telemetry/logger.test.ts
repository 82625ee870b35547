import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newId } from '../../../core/ids.ts';
import { newToken } from '../../../core/token.ts';
import { captureLogger } from '../../support/capture-logger.ts';

const token = newToken('acme_live', newId('key'));

type Write = (logger: ReturnType<typeof captureLogger>['logger']) => void;

/** The one line that something logs. */
function lineOf(write: Write): string {
  const { logger, lines } = captureLogger();
  write(logger);
  const [line] = lines;
  if (line === undefined || lines.length > 1) throw new Error(`${lines.length} lines were logged`);
  return line;
}

/** What is wrong with the line that something logs: it holds the token, or it is no JSON. */
function leakOf(write: Write, secret = token): string | undefined {
  const line = lineOf(write);
  // Not even so much of it may be there that the rest could be guessed.
  if (line.includes(secret.slice(-45))) return `a token: ${line}`;
  try {
    JSON.parse(line);
    return undefined;
  } catch {
    return `no JSON: ${line}`;
  }
}

describe('a line', () => {
  test('is JSON with its time, level and process', () => {
    const line = lineOf((logger) => logger.info({ rpc: 'GetKey', id: 'key_0123456789ABCDEf' }, 'call'));
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      pid: process.pid,
      rpc: 'GetKey',
      id: 'key_0123456789ABCDEf',
      msg: 'call',
    });
    expect((JSON.parse(line) as { time: string }).time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  test('is written from its level on', () => {
    const { logger, lines } = captureLogger({ level: 'warn' });
    logger.info('a');
    logger.warn('b');
    expect(lines).toHaveLength(1);
    const silent = captureLogger({ level: 'silent' });
    silent.logger.fatal('c');
    expect(silent.lines).toEqual([]);
  });
});

describe('a token never reaches the log', () => {
  const error = (message: string): Error => new Error(message, { cause: new Error(`cause ${message}`) });

  test.each<[string, object]>([
    ['a property named token', { token }],
    ['a property of any name', { anything: token }],
    ['a nested property', { request: { token } }],
    ['a deeply nested property of any name', { a: { b: { c: { d: { e: token } } } } }],
    ['a list', { list: ['x', token, ['y', token]] }],
    ['a map of metadata', { metadata: { authorization: `Bearer ${token}` } }],
    ['the name of a property', { [token]: 1 }],
    ['an error', { err: error(token) }],
    ['an error with words around it', { err: error(`no key ${token} here`) }],
    ['a property of an error', { err: Object.assign(error('x'), { token, detail: token }) }],
    ['a connection string', { url: `postgres://latchkey:${token}@db/latchkey` }],
    ['a stack of several lines', { err: Object.assign(new Error('x'), { stack: `x\n${token}\n  at y` }) }],
  ])('by %s', (_what, properties) => {
    expect(leakOf((logger) => logger.error(properties, 'call.failed'))).toBeUndefined();
    expect(leakOf((logger) => logger.child(properties).error('call.failed'))).toBeUndefined();
  });

  test.each([
    token,
    `see ${token}.`,
    `"${token}"`,
    `'${token}'`,
    `x=${token}&y`,
    `x\n${token}\ny`,
    `x\t${token}\ty`,
    `x\r\n${token}`,
    `\\${token}`,
    `\u0001${token}\u0001`,
    // JSON writes these as escapes that end in what could begin a token.
    `x\u000b${token}`,
    `x\u001f${token}`,
    `x\ud83d${token}`,
    `x\udabc${token}`,
    `x\b${token}`,
    `\\n${token}`,
    `\\\\${token}`,
    `/${token}/`,
    `😀${token}😀`,
    `é${token}é`,
    `X${token}`,
    `x${token}`,
    `1${token}`,
    `_${token}`,
    `KEY_${token}`,
    `a_very_long_name_that_stands_before_${token}`,
    `${token}x`,
    `${token}_x`,
    `${token}${token}`,
  ])('by a message (%#)', (message) => {
    expect(leakOf((logger) => logger.warn(message))).toBeUndefined();
    expect(leakOf((logger) => logger.warn({ text: message }))).toBeUndefined();
    expect(leakOf((logger) => logger.warn({ err: new Error(message) }))).toBeUndefined();
  });

  test('whatever stands around it, and the line stays JSON', () => {
    const units = [
      'a',
      'Z',
      '0',
      '_',
      ' ',
      '\n',
      '\t',
      '"',
      '\\',
      '/',
      '\u0001',
      '\u001f',
      '\ud83d',
      'é',
      '😀',
    ];
    const around = fc.string({ unit: fc.constantFrom(...units), maxLength: 30 });
    fc.assert(
      fc.property(around, around, (before, after) => {
        expect(leakOf((logger) => logger.info({ text: before + token + after }, 'x'))).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  test.each(['a', `a${'b'.repeat(22)}c`, 'acme', 'acme_live_eu'])('with the prefix %s', (prefix) => {
    const other = newToken(prefix, newId('key'));
    for (const text of [other, `x\n${other}`, `x ${other}`]) {
      expect(leakOf((logger) => logger.info({ text }, text), other)).toBeUndefined();
    }
  });

  test('also if its checksum is wrong: a typing error is near a secret', () => {
    const wrong = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
    expect(leakOf((logger) => logger.info({ text: wrong }), wrong)).toBeUndefined();
  });
});

describe('other secrets', () => {
  test.each(['token', 'authorization', 'rootToken', 'password', 'secret', 'connectionString', 'databaseUrl'])(
    'named %s are redacted down to the third level',
    (name) => {
      const secret = 'correct horse battery staple';
      for (const properties of [
        { [name]: secret },
        { a: { [name]: secret } },
        { a: { b: { [name]: secret } } },
      ]) {
        const line = lineOf((logger) => logger.info(properties, 'x'));
        expect(line).not.toContain(secret);
        expect(line).toContain('[redacted]');
      }
    },
  );
});

test('what people need is left: key ids, hints and words', () => {
  const { logger, lines } = captureLogger();
  const properties = { id: newId('key'), hint: `acme_${'0'.repeat(16)}…abcd`, actor: newId('key') };
  logger.info(properties, 'mutation.committed');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ ...properties, msg: 'mutation.committed' });
});
