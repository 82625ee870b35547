import { createFileRegistry, fromBinary, create, type FileRegistry } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { RawConnection } from './raw-connection.ts';

/** What a stock client asks of a server that it knows nothing of. */
export interface ReflectionClient {
  listServices(): Promise<readonly string[]>;
  /** The file that declares a symbol. @throws Error with the code that reflection answers with */
  fileOf(symbol: string): Promise<FileDescriptorProto>;
  /** The file that declares a symbol with all files that it needs, as a client assembles them. */
  registryOf(symbol: string): Promise<FileRegistry>;
}

/** Numbers of fields: https://github.com/grpc/grpc/blob/master/src/proto/grpc/reflection/v1/reflection.proto */
const ASK = { fileByFilename: 3, fileContainingSymbol: 4, listServices: 7 };
const ANSWER = { fileDescriptorResponse: 4, listServicesResponse: 6, errorResponse: 7 };

/** @param version the package's last part; v1alpha is what older clients ask for */
export function createReflectionClient(
  connection: RawConnection,
  version: 'v1' | 'v1alpha',
): ReflectionClient {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;

  async function ask(number: number, text: string): Promise<ReadonlyMap<number, readonly Uint8Array[]>> {
    const message = new BinaryWriter()
      .uint32((number << 3) | 2)
      .string(text)
      .finish();
    const { code, message: reason, messages } = await connection.call({ path, message });
    if (code !== 0) throw new Error(`reflection is not served: ${code} ${reason}`);
    const answer = readMessage(messages[0] ?? Buffer.alloc(0));
    const error = answer.get(ANSWER.errorResponse)?.[0];
    if (error !== undefined) throw new Error(`reflection answered ${readNumber(error, 1)} for ${text}`);
    return answer;
  }

  async function filesOf(number: number, text: string): Promise<readonly FileDescriptorProto[]> {
    const [response] = (await ask(number, text)).get(ANSWER.fileDescriptorResponse) ?? [];
    return (readMessage(response ?? new Uint8Array()).get(1) ?? []).map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
  }

  async function fileOf(symbol: string): Promise<FileDescriptorProto> {
    const [file] = await filesOf(ASK.fileContainingSymbol, symbol);
    if (file === undefined) throw new Error(`there is no file of ${symbol}`);
    return file;
  }

  return {
    async listServices() {
      const [response] = (await ask(ASK.listServices, '*')).get(ANSWER.listServicesResponse) ?? [];
      const entries = readMessage(response ?? new Uint8Array()).get(1) ?? [];
      return entries.map((entry) => Buffer.from(readMessage(entry).get(1)?.[0] ?? []).toString());
    },
    fileOf,
    async registryOf(symbol) {
      // What a file needs comes before it.
      const files: FileDescriptorProto[] = [];
      const seen = new Set<string>();
      const take = async (file: FileDescriptorProto): Promise<void> => {
        if (seen.has(file.name)) return;
        seen.add(file.name);
        for (const name of file.dependency) {
          for (const needed of await filesOf(ASK.fileByFilename, name)) await take(needed);
        }
        files.push(file);
      };
      await take(await fileOf(symbol));
      return createFileRegistry(create(FileDescriptorSetSchema, { file: files }));
    },
  };
}

/** The fields of a message that hold bytes, texts or messages, by their numbers. */
function readMessage(bytes: Uint8Array): ReadonlyMap<number, readonly Uint8Array[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.LengthDelimited)
      fields.set(number, [...(fields.get(number) ?? []), reader.bytes()]);
    else reader.skip(type);
  }
  return fields;
}

function readNumber(bytes: Uint8Array, wanted: number): number | undefined {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === wanted) return reader.int32();
    reader.skip(type);
  }
  return undefined;
}
