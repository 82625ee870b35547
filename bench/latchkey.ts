import { newId } from '../core/ids.ts';
import { newToken } from '../core/token.ts';
import { startChild, type Child } from './child.ts';
import type { GrpcTarget } from './load/grpc-call.ts';
import type { LatchkeyAnswers } from './processes/latchkey-process.ts';

/** Methods that are measured, and whose they are. */
const SERVICES = {
  Verify: 'VerifyService',
  BatchVerify: 'VerifyService',
  RevokeKey: 'KeyService',
  UpdateKey: 'KeyService',
} as const;

/** A measured server of Latchkey. */
export interface LatchkeyUnderTest {
  readonly child: Child<LatchkeyAnswers>;
  target(method: keyof typeof SERVICES): GrpcTarget;
  /** A value of `/metrics`, e.g. `latchkey_key_loads`. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** Starts the server on a database, with all settings at their defaults. */
export async function startLatchkey(options: {
  readonly databaseUrl: string;
  readonly pin: readonly string[];
}): Promise<LatchkeyUnderTest> {
  const rootToken = newToken('latchkey', newId('key'));
  const child = await startChild<LatchkeyAnswers>('latchkey', {
    pin: options.pin,
    environment: {
      DATABASE_URL: options.databaseUrl,
      LATCHKEY_LISTEN: '127.0.0.1:0',
      LATCHKEY_HTTP_LISTEN: '127.0.0.1:0',
      LATCHKEY_ROOT_TOKEN: rootToken,
    },
  });
  const ports = await child.ask('ports');
  return {
    child,
    target: (method) => ({
      port: ports.grpc,
      path: `/latchkey.v1.${SERVICES[method]}/${method}`,
      authorization: `Bearer ${rootToken}`,
    }),
    async metric(name) {
      const response = await fetch(`http://127.0.0.1:${ports.http}/metrics`);
      const line = (await response.text()).split('\n').find((each) => each.startsWith(`${name} `));
      if (line === undefined) throw new Error(`the server has no metric ${name}`);
      return Number(line.slice(name.length));
    },
    stop: () => child.stop(),
  };
}
