import {
  create,
  createFileRegistry,
  fromBinary,
  ScalarType,
  toBinary,
  type DescField,
  type DescMessage,
  type DescService,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { DESCRIPTORS } from '../../../proto/gen/descriptors.ts';

/** The contract as data, from its own descriptors: so that a test over all of it misses nothing that is added. */
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(DESCRIPTORS, 'base64')));

/** Our services, of which health and reflection are none. */
const services = [...registry].filter(
  (type): type is DescService => type.kind === 'service' && type.file.proto.package === 'latchkey.v1',
);

/** One RPC of our services. */
export interface ContractRpc {
  /** `KeyService/CreateKey`. */
  readonly name: string;
  /** `/latchkey.v1.KeyService/CreateKey`. */
  readonly path: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
}

/** Every RPC of our services. */
export const RPCS: readonly ContractRpc[] = services.flatMap(({ name, methods }) =>
  methods.map((method) => ({
    name: `${name}/${method.name}`,
    path: `/latchkey.v1.${name}/${method.name}`,
    input: method.input,
    output: method.output,
  })),
);

/** @param name `KeyService/CreateKey` */
export function rpcOf(name: string): ContractRpc {
  const rpc = RPCS.find((candidate) => candidate.name === name);
  if (rpc === undefined) throw new Error(`there is no RPC ${name}`);
  return rpc;
}

/** The fields of a message, as `create` of @bufbuild/protobuf takes them. Nothing tests its bounds. */
export type Fields = Readonly<Record<string, unknown>>;

/** The bytes of a request, whatever stands in it. */
export function encodeRequest(rpc: ContractRpc, fields: Fields): Uint8Array {
  return toBinary(rpc.input, create(rpc.input, fields));
}

/** The same fields, with the one at `path` (`key.resource_access.listed.ids`) set. */
export function withField(message: DescMessage, fields: Fields, path: string, value: unknown): Fields {
  const [name = '', ...rest] = path.split('.');
  const field = message.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new Error(`${message.typeName} has no field ${name}`);
  const holder = field.oneof?.localName;
  const member = fields[holder ?? field.localName];
  const before = holder === undefined ? member : (member as { readonly value?: unknown } | undefined)?.value;
  const after =
    rest.length === 0
      ? value
      : withField(messageOf(field), (before as Fields | undefined) ?? {}, rest.join('.'), value);
  return holder === undefined
    ? { ...fields, [field.localName]: after }
    : { ...fields, [holder]: { case: field.localName, value: after } };
}

/** The paths of all fields of a message that hold no further message of ours. */
export function leafPaths(message: DescMessage): readonly string[] {
  return message.fields.flatMap((field) => {
    const inner = field.message;
    const opaque = inner === undefined || inner.typeName.startsWith('google.') || inner.fields.length === 0;
    return opaque ? [field.name] : leafPaths(inner).map((path) => `${field.name}.${path}`);
  });
}

/** A place in a request where a text can stand. */
export interface TextPlace {
  /** The path of the field, down to the first list of messages. */
  readonly path: string;
  /** The value of that field with a text in that place. */
  readonly value: (text: string) => unknown;
}

/** Every place in a message where a text can stand: fields, lists, names and values of maps, paths of masks. */
export function textPlaces(message: DescMessage): readonly TextPlace[] {
  return message.fields.flatMap((field): readonly TextPlace[] => {
    const { name: path } = field;
    if (field.fieldKind === 'map') {
      return [
        { path, value: (text) => ({ [text]: 'x' }) },
        { path, value: (text) => ({ x: text }) },
      ];
    }
    if (field.fieldKind === 'list' && field.listKind === 'message') {
      const { message: entry } = field;
      return textPlaces(entry).map((place) => ({
        path,
        value: (text) => [withField(entry, {}, place.path, place.value(text))],
      }));
    }
    if (field.fieldKind === 'message') {
      return textPlaces(field.message).map(({ path: inner, value }) => ({ path: `${path}.${inner}`, value }));
    }
    if (field.scalar !== ScalarType.STRING) return [];
    return [{ path, value: (text) => (field.fieldKind === 'list' ? [text] : text) }];
  });
}

function messageOf(field: DescField): DescMessage {
  if (field.message === undefined) throw new Error(`${String(field)} is no message`);
  return field.message;
}
