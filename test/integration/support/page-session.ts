import { createHash } from 'node:crypto';
import { fromJsonString, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import { expect } from 'vitest';
import { rpcOf } from './contract.ts';
import type { RawConnection } from './raw-connection.ts';

/** The commands of a page's session, each with what it shows. */
function readSession(page: string): readonly { readonly command: string; readonly shown: string }[] {
  const blocks = [...page.matchAll(/```console\n([\s\S]*?)\n```/g)].map(([, block = '']) => block);
  return blocks
    .flatMap((block) => block.split(/^\$ /m).slice(1))
    .map((part) => {
      // The line that ends the command is the first on which no quotation is open.
      const lines = part.trimEnd().split('\n');
      const end = lines.findIndex(
        (_line, index) =>
          lines
            .slice(0, index + 1)
            .join('')
            .split("'").length %
            2 ===
          1,
      );
      return { command: lines.slice(0, end + 1).join('\n'), shown: lines.slice(end + 1).join('\n') };
    });
}

/** What stands on the page for what differs from run to run, and what that looks like. */
const PLACEHOLDER = /\b(ks|key|pol|token|revision|time)_[A-Z]+\b/g;
const SHAPES: Readonly<Record<string, RegExp>> = {
  revision: /^\d+\.\d+$/,
  time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
};
const ID_OR_TOKEN = /^\w{10,}$/;

/** Compares what the page shows with what came, which may be more, and learns what the placeholders stand for. */
function compare(shown: unknown, actual: unknown, known: Map<string, string>, at: string): void {
  if (typeof shown === 'string' && shown.match(PLACEHOLDER)?.[0] === shown) {
    expect(actual, at).toMatch(SHAPES[shown.split('_')[0] ?? ''] ?? ID_OR_TOKEN);
    if (known.has(shown)) expect(actual, at).toBe(known.get(shown));
    else known.set(shown, String(actual));
  } else if (Array.isArray(shown)) {
    expect(actual, at).toHaveLength(shown.length);
    shown.forEach((entry, index) =>
      compare(entry, (actual as readonly unknown[])[index], known, `${at}[${index}]`),
    );
  } else if (typeof shown === 'object' && shown !== null) {
    for (const [name, value] of Object.entries(shown)) {
      compare(
        value,
        (actual as Readonly<Record<string, unknown>> | undefined)?.[name],
        known,
        `${at}.${name}`,
      );
    }
  } else {
    expect(actual, at).toBe(shown);
  }
}

/**
 * Makes every call of a page's session, as grpcurl would, and compares each answer with what the page shows.
 * @returns how many calls were made
 */
export async function replaySession(options: {
  readonly page: string;
  /** Its own session shows that this is how one calls. */
  readonly readme: string;
  readonly wire: RawConnection;
}): Promise<number> {
  const { page, readme, wire } = options;
  const known = new Map<string, string>();
  let calls = 0;
  for (const { command, shown } of readSession(page)) {
    if (command.startsWith('call() {')) {
      expect(readme).toContain(`$ ${command}\n`);
      continue;
    }
    const digested = /^printf %s (\S+) \| sha256sum$/.exec(command)?.[1];
    if (digested !== undefined) {
      expect(shown).toBe(`${createHash('sha256').update(digested).digest('hex')}  -`);
      continue;
    }
    const [, name = '', json = ''] = /^call (\S+) '([^']*)'$/.exec(command) ?? [];
    const rpc = rpcOf(name);
    // As grpcurl does: the JSON mapping of protobuf, which knows no name that the contract has not.
    const request = json.replace(PLACEHOLDER, (placeholder) => {
      const value = known.get(placeholder);
      if (value === undefined) throw new Error(`nothing has shown yet what ${placeholder} is`);
      return value;
    });
    const answer = await wire.call({
      path: rpc.path,
      message: toBinary(rpc.input, fromJsonString(rpc.input, request)),
    });
    expect(answer.code, `${command}: ${answer.message}`).toBe(0);
    const [message] = answer.messages;
    compare(
      JSON.parse(shown),
      toJson(rpc.output, fromBinary(rpc.output, message ?? new Uint8Array())),
      known,
      command,
    );
    calls += 1;
  }
  return calls;
}
