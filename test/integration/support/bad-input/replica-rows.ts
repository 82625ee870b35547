import type { Table } from './row.ts';

const list: Table = { rpc: 'ReplicaService/ListReplicas', good: () => ({}), rows: [], free: [] };

export const REPLICA_TABLES: readonly Table[] = [list];
