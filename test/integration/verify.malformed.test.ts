import { describe, expect, test } from 'vitest';
import { sign, unsign } from './support/sign-token.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

/** Every text must be MALFORMED in a call of its own and in a batch, tell of no key, and cost no look-up. */
async function expectMalformed(texts: readonly string[]): Promise<void> {
  const { latchkey, metric } = served();
  const before = await metric('latchkey_key_loads');
  const refused = { valid: false, verdict: 'MALFORMED', missingScopes: [], limits: [] };
  for (const token of texts) {
    const result = await latchkey.verify({ token });
    expect(result, JSON.stringify(token.slice(0, 100))).toMatchObject(refused);
    expect(result.key).toBeUndefined();
  }
  const batch = await latchkey.verifyBatch(texts.map((token) => ({ token })));
  for (const [index, result] of batch.entries()) {
    expect(result, JSON.stringify(texts[index]?.slice(0, 100))).toMatchObject(refused);
  }
  expect(await metric('latchkey_key_loads')).toBe(before);
}

describe('MALFORMED is the verdict, and never an error, for', () => {
  test('text that is nothing like a token', async () => {
    await expectMalformed([
      '',
      ' ',
      '_',
      '\0',
      '\n',
      'acme',
      'acme_',
      'null',
      '../../etc/passwd',
      "' OR 1=1 --",
      '{"token":"x"}',
      'Bearer',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      '🔑'.repeat(27),
      '\u202e'.repeat(60),
      `acme_${'0'.repeat(54)}`,
      `acme_${'z'.repeat(54)}`,
    ]);
  });

  test('text of a megabyte', async () => {
    const { issue } = served();
    const { token } = await issue();
    await expectMalformed(['a'.repeat(1_000_000), `acme_${'0'.repeat(1_000_000)}`, token.repeat(12_000)]);
  });

  test('a token cut short anywhere, or with something after it', async () => {
    const { issue } = served();
    const { token } = await issue();
    const cuts = Array.from({ length: token.length }, (_, length) => token.slice(0, length));
    const ends = Array.from({ length: token.length - 1 }, (_, index) => token.slice(index + 1));
    await expectMalformed([...cuts, ...ends, `${token}0`, `${token}${token}`, `${token},${token}`]);
  });

  test('a token with one character changed, at any place', async () => {
    const { issue } = served();
    const { token } = await issue();
    const changed = Array.from(token, (letter, index) => {
      const other = letter === 'b' ? 'c' : 'b';
      return token.slice(0, index) + other + token.slice(index + 1);
    });
    await expectMalformed(changed);
  });

  test('a token with two neighbours swapped, at any place', async () => {
    const { issue } = served();
    const { token } = await issue();
    const swapped = Array.from(
      { length: token.length - 1 },
      (_, at) => token.slice(0, at) + token.charAt(at + 1) + token.charAt(at) + token.slice(at + 2),
    );
    await expectMalformed(swapped.filter((text) => text !== token));
  });

  test('a token in another case, alphabet or encoding', async () => {
    const { issue } = served();
    const { token } = await issue();
    const body = token.slice('acme_'.length);
    await expectMalformed([
      token.toUpperCase(),
      `ACME_${body}`,
      `acme-${body}`,
      `acme_${body.slice(0, 20)}-${body.slice(21)}`,
      `acme_${body.slice(0, 20)}_${body.slice(21)}`,
      `acme_${body.slice(0, 20)}é${body.slice(21)}`,
      // Full-width letters and an Arabic digit look alike to people and to careless patterns.
      `ａｃｍｅ_${body}`,
      `acme_${body.slice(0, 20)}٣${body.slice(21)}`,
      Buffer.from(token).toString('base64'),
      encodeURIComponent(`"${token}"`),
      JSON.stringify(token),
    ]);
  });

  test('a token with white space, line ends or controls around or inside', async () => {
    const { issue } = served();
    const { token } = await issue();
    const blanks = [' ', '\t', '\n', '\r\n', '\0', '\u00a0', '\u200b', '\ufeff', '\u2028'];
    await expectMalformed([
      ...blanks.map((blank) => blank + token),
      ...blanks.map((blank) => token + blank),
      ...blanks.map((blank) => token.slice(0, 30) + blank + token.slice(30)),
      `Bearer ${token}`,
    ]);
  });

  test('a prefix that is none, however well the rest is signed', async () => {
    const { issue } = served();
    const { token } = await issue();
    const body = unsign(token).slice('acme_'.length);
    await expectMalformed(
      ['', '_', 'a_', '9a', '_a', 'A', 'a-b', 'a b', `a${'b'.repeat(24)}`].map((prefix) =>
        sign(`${prefix}_${body}`),
      ),
    );
  });

  test('the token of another prefix whose checksum was not made anew', async () => {
    const { issue } = served();
    const { token } = await issue();
    await expectMalformed([token.replace('acme_', 'acne_'), token.replace('acme_', 'latchkey_')]);
  });
});
