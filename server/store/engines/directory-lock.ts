import { createHash } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Another process has the data directory. */
export class DirectoryInUse extends Error {
  override readonly name = 'DirectoryInUse';
  constructor(directory: string) {
    super(
      `the data directory ${directory} is in use by another Latchkey; stop that one, or give this one a directory ` +
        'of its own with LATCHKEY_DATA_DIR',
    );
  }
}

/** A directory that is ours until the process ends, however it ends. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Makes a directory (mode 0700) and takes it for this process alone.
 *
 * The lock is a listening local socket, named after the directory's device and inode: the operating system closes it
 * with the process, so that not even SIGKILL leaves it behind. On Linux it is an abstract socket and on Windows a
 * pipe, which have no file; elsewhere its file may stay, and is removed if nobody answers there.
 *
 * It holds among processes that share a network namespace: two containers that mount one directory are not kept apart.
 *
 * @throws DirectoryInUse
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { dev, ino } = await stat(directory, { bigint: true });
  const name = `latchkey-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32)}`;
  const path = socketPath(name);

  let server = await listen(path);
  if (server === undefined && !hasNoFile() && !(await answers(path))) {
    await rm(path, { force: true });
    server = await listen(path);
  }
  if (server === undefined) throw new DirectoryInUse(directory);
  const held = server;
  return { release: () => new Promise((resolve) => void held.close(() => resolve())) };
}

function hasNoFile(): boolean {
  return process.platform === 'linux' || process.platform === 'win32';
}

function socketPath(name: string): string {
  if (process.platform === 'linux') return `\0${name}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
}

/** The listening socket, or undefined if somebody else listens there. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
