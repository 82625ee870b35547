/** The program as a user starts it: what it prints, what it refuses, and how it ends. */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.ts';
import { SETTINGS } from '../../server/config.ts';
import { createClients } from '../support/clients.ts';
import { spawnCommand, spawnServer } from '../support/spawn-server.ts';
import {
  createDataDirectory,
  createTemporaryDirectory,
  type TemporaryDirectory,
} from '../support/temporary-directory.ts';

let data: TemporaryDirectory;

beforeEach(async () => {
  data = await createDataDirectory();
});

afterEach(async () => {
  await data.remove();
});

/** Something else on a port. */
async function occupyPort(): Promise<{ readonly address: string; readonly server: Server }> {
  const server = createServer();
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

describe('a start', () => {
  test('makes its directory, prints the root token once, and says later where it is kept', async () => {
    const parent = await createTemporaryDirectory();
    const dataDir = join(parent.path, 'deep', 'data');
    const first = await spawnServer({ env: { LATCHKEY_DATA_DIR: dataDir } });
    const token = (await readFile(join(dataDir, 'root-token'), 'utf8')).trim();
    expect(first.stdout()).toContain(`root token  ${token}\n`);
    expect(first.stdout()).toContain(`data        ${join(dataDir, 'db')}`);
    expect(first.stdout().match(/^ {2}grpcurl /gm)).toHaveLength(3);
    expect((await stat(join(dataDir, 'root-token'))).mode & 0o777).toBe(0o600);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    expect(first.stderr()).not.toContain(token);
    expect(await first.end('SIGINT')).toEqual({ code: 0, signal: null });

    const second = await spawnServer({ env: { LATCHKEY_DATA_DIR: dataDir } });
    expect(second.stdout()).not.toContain(token);
    expect(second.stdout()).toContain(`kept in ${join(dataDir, 'root-token')}`);
    const clients = createClients({ address: second.address, token });
    expect((await clients.keyspaces.listKeyspaces({})).keyspaces.map(({ id }) => id)).toEqual([
      'ks_latchkey',
    ]);
    clients.close();
    expect(await second.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await parent.remove();
  });

  test('takes the root token from the environment, and makes no file', async () => {
    const printed = spawnCommand({ env: {}, words: ['new-root-token'] });
    expect(await printed.ended).toEqual({ code: 0, signal: null });
    const token = printed.stdout().trim();

    const server = await spawnServer({ env: { LATCHKEY_DATA_DIR: data.path, LATCHKEY_ROOT_TOKEN: token } });
    expect(server.stdout() + server.stderr()).not.toContain(token);
    expect(existsSync(join(data.path, 'root-token'))).toBe(false);
    const clients = createClients({ address: server.address, token });
    expect((await clients.keys.listKeys({})).keys).toMatchObject([
      { displayName: 'root', createdBy: 'system' },
    ]);
    clients.close();
    await server.end('SIGTERM');
  });

  test('is refused on a directory that another one has, and the other one goes on', async () => {
    const first = await spawnServer({ env: { LATCHKEY_DATA_DIR: data.path } });
    const second = spawnCommand({
      env: { LATCHKEY_DATA_DIR: data.path, LATCHKEY_LISTEN: '127.0.0.1:0', LATCHKEY_HTTP_LISTEN: 'off' },
    });
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.stderr()).toContain(`the data directory ${data.path} is in use by another Latchkey`);

    const token = (await readFile(join(data.path, 'root-token'), 'utf8')).trim();
    const clients = createClients({ address: first.address, token });
    await clients.keyspaces.createKeyspace({ keyspace: { slug: 'after', tokenPrefix: 'after' } });
    clients.close();
    await first.end('SIGTERM');
  });

  test.each(['LATCHKEY_LISTEN', 'LATCHKEY_HTTP_LISTEN'])(
    'is refused on a busy %s before it makes anything',
    async (name) => {
      const { address, server } = await occupyPort();
      const parent = await createTemporaryDirectory();
      const dataDir = join(parent.path, 'data');
      const command = spawnCommand({
        env: {
          LATCHKEY_LISTEN: '127.0.0.1:0',
          LATCHKEY_HTTP_LISTEN: 'off',
          LATCHKEY_DATA_DIR: dataDir,
          [name]: address,
        },
      });
      expect(await command.ended).toEqual({ code: 1, signal: null });
      expect(command.stderr()).toContain(`${address} is in use by another process`);
      expect(existsSync(dataDir)).toBe(false);
      server.close();
      await parent.remove();
    },
  );

  test('is refused with every fault of the configuration at once, and no secret', async () => {
    const command = spawnCommand({
      env: {
        LATCHKEY_LISTN: 'x',
        LATCHKEY_LISTEN: 'nowhere',
        LATCHKEY_CACHE_BYTES: '1',
        DATABASE_URL: 'mysql://user:hunter2@host/db',
        LATCHKEY_ROOT_TOKEN: 'latchkey_hunter2',
      },
    });
    expect(await command.ended).toEqual({ code: 2, signal: null });
    const told = command.stderr();
    expect(told).toContain('LATCHKEY_LISTN: there is no such setting; did you mean LATCHKEY_LISTEN?');
    for (const name of ['LATCHKEY_LISTEN', 'LATCHKEY_CACHE_BYTES', 'DATABASE_URL', 'LATCHKEY_ROOT_TOKEN']) {
      expect(told).toContain(`  ${name}: must be`);
    }
    expect(told).not.toContain('hunter2');
  });
});

describe('the command line', () => {
  test('prints every setting with --help', async () => {
    const command = spawnCommand({ env: {}, words: ['--help'] });
    expect(await command.ended).toEqual({ code: 0, signal: null });
    for (const name of Object.keys(SETTINGS)) expect(command.stdout()).toContain(`  ${name}`);
  });

  test('refuses a command that it does not know', async () => {
    const command = spawnCommand({ env: {}, words: ['server'] });
    expect(await command.ended).toEqual({ code: 2, signal: null });
    expect(command.stderr()).toContain('there is no command `server`');
  });

  test('migrates and ends, and a start that must not migrate says what is missing', async () => {
    const steps = MIGRATIONS.map(([name]) => name).join(', ');
    const empty = await createTemporaryDirectory();
    const env = {
      LATCHKEY_DATA_DIR: empty.path,
      LATCHKEY_LISTEN: '127.0.0.1:0',
      LATCHKEY_HTTP_LISTEN: 'off',
    };
    const early = spawnCommand({ env: { ...env, LATCHKEY_MIGRATE: 'false' } });
    expect(await early.ended).toEqual({ code: 1, signal: null });
    expect(early.stderr()).toContain(
      `the schema of the database lacks ${steps}; run \`npm run migrate\` first`,
    );

    const migration = spawnCommand({ env, words: ['migrate'] });
    expect(await migration.ended).toEqual({ code: 0, signal: null });
    expect(migration.stdout()).toBe(`Taken: ${steps}\n`);

    const server = await spawnServer({ env: { ...env, LATCHKEY_MIGRATE: 'false' } });
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await empty.remove();
  });
});
