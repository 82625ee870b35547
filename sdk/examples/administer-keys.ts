import { createLatchkey } from '@latchkey/sdk';

const DAY_MS = 24 * 60 * 60 * 1000;
const rootToken = process.env['LATCHKEY_TOKEN'] ?? '';
const latchkey = createLatchkey({ address: '127.0.0.1:50051', token: rootToken, tls: false });
const { keys, keyspaces } = latchkey;

// A keyspace is a set of keys with its own token prefix and a wall around it.
const { keyspace } = await keyspaces.create({ slug: 'shop', tokenPrefix: 'shop', maxTtlMs: 365 * DAY_MS });

// The token is shown only here: hand it to the client, do not keep it.
const { key, token } = await keys.create({
  keyspaceId: keyspace.id,
  displayName: 'nightly export',
  ownerId: 'team-data',
  scopes: ['orders:read'],
  resourceAccess: { ids: ['store-1', 'store-2'] },
  metadata: { plan: 'gold' },
  ttlMs: 90 * DAY_MS,
});
console.log('created', key.tokenHint, 'expires', key.expireTime);

// Only what is named is changed. With the etag, nobody else's change is lost.
const { key: changed } = await keys.update(
  key.id,
  { scopes: ['orders:*'], resourceAccess: 'ALL' },
  { etag: key.etag },
);
console.log('may now', changed.scopes, 'of', changed.resourceAccess);

for await (const each of keys.listAll({ filter: { ownerId: 'team-data', states: ['ACTIVE'] } })) {
  console.log('listed', each.displayName);
}

// Found in a log? Whose is it, and stop it now: from `effectiveTime` on no replica accepts it.
const leaked = await keys.lookup({ token });
const { effectiveTime } = await keys.revoke(leaked.id, { reason: 'leaked', note: 'in a build log' });
console.log('revoked', leaked.id, 'everywhere since', effectiveTime);

await keys.delete(key.id);
await keyspaces.delete(keyspace.id);
latchkey.close();
