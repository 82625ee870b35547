// #region start
import { createHash } from 'node:crypto';
import { createLatchkey, type VerifyRequest } from '@latchkey/sdk';

const rootToken = process.env['LATCHKEY_TOKEN'] ?? '';
const latchkey = createLatchkey({ address: '127.0.0.1:50051', token: rootToken, tls: false });
const { keys, keyspaces, owners, policies } = latchkey;

/** What a comment after a `console.log` says is what it prints. */
async function verdict(request: VerifyRequest): Promise<string> {
  return (await latchkey.verify(request)).verdict;
}
// #endregion

// #region catalogue
const orders = {
  name: 'orders',
  methods: [
    { verb: 'GET', path: '/api/v*/orders/statuses' },
    { verb: 'GET', path: '/api/v*/orders/*' },
  ],
};
const service = { name: 'service', methods: [{ verb: 'GET', path: '/api/v1/ping', noResource: true }] };
const { keyspace } = await keyspaces.create({
  slug: 'web-platform',
  tokenPrefix: 'web',
  apis: [{ name: 'shop', groups: [orders, service] }],
});
const keyspaceId = keyspace.id;
// #endregion

// #region platform
const platform = await keys.create({ keyspaceId, ownerId: 'platform', resourceAccess: 'ALL' });
console.log(await verdict({ token: platform.token, resource: 'store-2' })); // VALID
console.log(await verdict({ token: platform.token })); // VALID
// #endregion

// #region store
const store = await keys.create({
  keyspaceId,
  ownerId: 'store-1',
  resourceAccess: { ids: ['store-1'] },
  restrictions: { apiTargets: [{ api: 'shop', groups: ['orders', 'service'] }] },
});
const read = { api: 'shop', verb: 'GET', path: '/api/v1/orders/4711' };
console.log(await verdict({ token: store.token, operation: read, resource: 'store-1' })); // VALID
console.log(await verdict({ token: store.token, operation: read, resource: 'store-2' })); // RESOURCE_NOT_ALLOWED
console.log(await verdict({ token: store.token, operation: read })); // RESOURCE_NOT_ALLOWED

const ping = { api: 'shop', verb: 'GET', path: '/api/v1/ping' };
console.log(await verdict({ token: store.token, operation: ping })); // VALID
// #endregion

// #region partner
const partner = await keys.create({
  keyspaceId,
  ownerId: 'partner-network',
  resourceAccess: { ids: ['store-1', 'store-2'] },
  restrictions: { apiTargets: [{ api: 'shop', verbs: ['GET'], paths: ['/api/v*/orders/statuses'] }] },
});
const statuses = { api: 'shop', verb: 'GET', path: '/api/v2/orders/statuses' };
console.log(await verdict({ token: partner.token, operation: statuses, resource: 'store-2' })); // VALID
console.log(await verdict({ token: partner.token, operation: statuses, resource: 'store-3' })); // RESOURCE_NOT_ALLOWED
console.log(await verdict({ token: partner.token, operation: read, resource: 'store-2' })); // OPERATION_NOT_ALLOWED
// #endregion

// #region scopes
const clerk = await keys.create({ keyspaceId, scopes: ['orders:read', 'prices:*'] });
console.log(await verdict({ token: clerk.token, scopes: ['orders:read', 'prices:write'] })); // VALID
const refused = await latchkey.verify({
  token: clerk.token,
  scopeQuery: 'orders:read AND (orders:write OR (admin AND audit))',
});
console.log(refused.valid ? 'VALID' : refused.missingScopes); // [ 'orders:write' ]
// #endregion

// #region operations
const spelled = (path: string) =>
  verdict({ token: partner.token, resource: 'store-1', operation: { api: 'shop', verb: 'get', path } });
console.log(await spelled('/api/v1/./orders/%73tatuses/?page=2')); // VALID
console.log(await spelled('https://shop.example.com/api/v1/orders/statuses')); // VALID
console.log(await spelled('/api/v1/orders%2Fstatuses')); // OPERATION_NOT_ALLOWED
console.log(await spelled('/api/v1/orders/statuses/..;/4711')); // OPERATION_NOT_ALLOWED
// #endregion

// #region block
const returns = { api: 'shop', verb: 'POST', path: '/api/v1/orders/4711/returns' };
console.log(await verdict({ token: store.token, operation: returns, resource: 'store-1' })); // OPERATION_NOT_ALLOWED
const wider = { ...orders, methods: [...orders.methods, { verb: 'POST', path: '/api/v*/orders/*/returns' }] };
await keyspaces.update(keyspaceId, { apis: [{ name: 'shop', groups: [wider, service] }] });
console.log(await verdict({ token: store.token, operation: returns, resource: 'store-1' })); // VALID
// #endregion

// #region client
const maps = await keys.create({
  keyspaceId,
  restrictions: {
    allowedReferrers: ['*.example.com/*'],
    androidApps: [
      {
        package: 'com.example.shop',
        certSha1: '5D:08:26:4B:44:E0:E5:3F:BC:CC:70:B4:F0:16:47:4C:C6:C9:D5:7E',
      },
    ],
  },
});
const page = { referrer: 'https://shop.example.com/cart' };
const app = {
  androidPackage: 'com.example.shop',
  androidCertSha1: '5d08264b44e0e53fbccc70b4f016474cc6c9d57e',
};
console.log(await verdict({ token: maps.token, client: page })); // VALID
console.log(await verdict({ token: maps.token, client: app })); // VALID
const evil = { referrer: 'https://shop.example.com.evil.test/' };
const notThere = await latchkey.verify({ token: maps.token, client: evil });
console.log(notThere.valid ? 'VALID' : notThere.clientRefusal); // REFERRER_NOT_ALLOWED

const backend = await keys.create({
  keyspaceId,
  restrictions: { allowedIps: ['203.0.113.0/24', '2001:db8::/32'] },
});
console.log(await verdict({ token: backend.token, client: { ip: '::ffff:203.0.113.7' } })); // VALID
const nowhere = await latchkey.verify({ token: backend.token });
console.log(nowhere.valid ? 'VALID' : nowhere.clientRefusal); // IP_MISSING
// #endregion

// #region policies
const { policy: reader } = await policies.create({
  keyspaceId,
  displayName: 'reader',
  scopes: ['orders:read'],
  restrictions: { allowedIps: ['203.0.113.0/24'] },
  metadata: { plan: 'basic' },
});
const { policy: branch } = await policies.create({
  keyspaceId,
  displayName: 'second branch',
  scopes: ['prices:read'],
  restrictions: { allowedIps: ['198.51.100.0/24'] },
});
const till = await keys.create({
  keyspaceId,
  ownerId: 'store-2',
  policyIds: [reader.id, branch.id],
  metadata: { plan: 'gold' },
});
const { effective } = await keys.getEffective(till.key.id);
console.log(effective.scopes); // [ 'orders:read', 'prices:read' ]
console.log(effective.restrictions.allowedIps); // [ '203.0.113.0/24', '198.51.100.0/24' ]
console.log(effective.metadata, effective.resourceAccess); // { plan: 'gold' } ALL
const [source] = effective.sources;
console.log(source?.field, source?.policyIds.length); // scopes 2

const client = { ip: '203.0.113.7' };
console.log(await verdict({ token: till.token, client, scopes: ['orders:cancel'] })); // SCOPE_MISSING
await policies.update(reader.id, { scopes: ['orders:*'] });
console.log(await verdict({ token: till.token, client, scopes: ['orders:cancel'] })); // VALID
console.log((await policies.get(reader.id)).keyCount); // 1
// #endregion

// #region owners
const owner = { keyspaceId, id: 'store-2' };
const preview = await owners.suspend(owner, { validateOnly: true });
console.log(`${preview.keys.active} key would stop`); // 1 key would stop
await owners.suspend(owner, { reason: 'unpaid' });
console.log(await verdict({ token: till.token, client })); // OWNER_SUSPENDED
await owners.resume(owner);
console.log(await verdict({ token: till.token, client })); // VALID

const hit = await owners.delete(owner, { keysFate: 'REVOKE', validateOnly: true });
console.log(hit.keys.active, hit.sampleIds[0] === till.key.id, hit.effectiveTime); // 1 true null
await owners.delete(owner, { keysFate: 'REVOKE' });
console.log(await verdict({ token: till.token, client })); // REVOKED
// #endregion

// #region import
const foreignToken = 'sk_live_3yJ9vQ';
const sha256 = createHash('sha256').update(foreignToken).digest('hex');
const { results } = await keys.import(keyspaceId, [
  { sha256, displayName: 'from the old system', scopes: ['orders:read'], tags: ['old'] },
  { sha256: 'not a digest' },
]);
console.log(results.map((result) => (result.imported ? 'imported' : result.error))); // [ 'imported', 'sha256: must be 32 bytes in hex or base64' ]
console.log(await verdict({ token: foreignToken, keyspaceId, scopes: ['orders:read'] })); // VALID
// #endregion

// #region batch
const choice = { keyspaceId, tag: 'old' };
console.log((await keys.batchRevoke(choice, { validateOnly: true })).count); // 1
const batch = await keys.batchRevoke(choice, { reason: 'superseded', note: 'the old system is off' });
console.log(batch.count, batch.effectiveTime !== null); // 1 true
console.log(await verdict({ token: foreignToken })); // REVOKED
// #endregion

// #region leak
const leaked = await keys.reportLeaked(clerk.token, { note: 'in a public gist' });
console.log(leaked.key.state, leaked.key.revokeReason); // REVOKED leaked
latchkey.close();
// #endregion
