import type { Server } from 'nice-grpc';
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection';
import { DESCRIPTORS } from '../../proto/gen/descriptors.ts';

/**
 * Serves the contract with its comments, so that `grpcurl` needs no files: under the name of today and, for older
 * clients, under v1alpha, which has the same messages.
 */
export function addReflection<Context extends object>(
  server: Server<Context>,
  services: readonly string[],
): void {
  const implementation = ServerReflection(Buffer.from(DESCRIPTORS, 'base64'), services);
  server.add(ServerReflectionService, implementation);
  const { serverReflectionInfo } = ServerReflectionService;
  const path = serverReflectionInfo.path.replace('.v1.', '.v1alpha.');
  server.add(
    { serverReflectionInfo: { ...serverReflectionInfo, path } } as typeof ServerReflectionService,
    implementation,
  );
}
