import type { SnapshotApplications } from '../snapshot.ts';
import type { ClientRefusal } from '../verdict.ts';
import type { Check, Client, Refusal } from './check.ts';

const NOBODY: Client = { ip: '', referrer: '', androidPackage: '', androidCertSha1: '', iosBundleId: '' };

const refusal = (clientRefusal: ClientRefusal): Refusal => ({ verdict: 'CLIENT_NOT_ALLOWED', clientRefusal });
const IP_MISSING = refusal('IP_MISSING');
const IP_NOT_ALLOWED = refusal('IP_NOT_ALLOWED');
const APPLICATION_MISSING = refusal('APPLICATION_MISSING');
const REFERRER_NOT_ALLOWED = refusal('REFERRER_NOT_ALLOWED');
const ANDROID_APP_NOT_ALLOWED = refusal('ANDROID_APP_NOT_ALLOWED');
const IOS_APP_NOT_ALLOWED = refusal('IOS_APP_NOT_ALLOWED');

/** The network condition must hold where there is one, and so must the application condition. */
export const checkClient: Check = ({ snapshot: { ips, applications }, request: { client = NOBODY } }) => {
  if (ips !== undefined && !ips(client.ip)) return client.ip === '' ? IP_MISSING : IP_NOT_ALLOWED;
  return applications === undefined ? undefined : checkApplication(applications, client);
};

/** Any one of those that the key names suffices; of several that do not, the first that was given is told. */
function checkApplication(
  { referrers, androidApps, bundleIds }: SnapshotApplications,
  { referrer, androidPackage, androidCertSha1, iosBundleId }: Client,
): Refusal | undefined {
  if (referrers?.(referrer) === true) return undefined;
  if (androidApps?.(androidPackage, androidCertSha1) === true) return undefined;
  if (bundleIds?.(iosBundleId) === true) return undefined;
  if (referrer !== '') return REFERRER_NOT_ALLOWED;
  if (androidPackage !== '' || androidCertSha1 !== '') return ANDROID_APP_NOT_ALLOWED;
  return iosBundleId === '' ? APPLICATION_MISSING : IOS_APP_NOT_ALLOWED;
}
