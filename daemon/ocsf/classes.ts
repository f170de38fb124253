// The OCSF 1.8 event classes that records become. Identifiers are those of the published schema; the test of the
// mapping checks each against it.

export interface EventClass {
  readonly uid: number;
  readonly category: number;
}

const inCategory =
  (category: number) =>
  (uid: number): EventClass => ({ uid: category * 1000 + uid, category });
const system = inCategory(1);
const finding = inCategory(2);
const iam = inCategory(3);
const network = inCategory(4);
const discovery = inCategory(5);
const application = inCategory(6);
const remediation = inCategory(7);

export const classes = {
  fileActivity: system(1),
  kernelActivity: system(3),
  processActivity: system(7),
  eventLogActivity: system(8),
  detectionFinding: finding(4),
  dataSecurityFinding: finding(6),
  authorizeSession: iam(3),
  userAccess: iam(5),
  networkActivity: network(1),
  httpActivity: network(2),
  dnsActivity: network(3),
  deviceConfigStateChange: discovery(19),
  applicationLifecycle: application(2),
  apiActivity: application(3),
  applicationError: application(8),
  processRemediation: remediation(3),
} as const;

/** `activity_id` of what OCSF has no activity for; `activity_name` then says it. */
export const other = 99;
