// Secrets that can be known by their form. Each pattern is a literal or a word, then classes of characters, every
// repetition bounded and none inside another: the time a search takes grows with the text alone (the test checks it).
// Forms are those that the issuers document, and that secret scanners look for.

export interface Pattern {
  /** What is found: part of the mark that replaces it. */
  readonly name: string;
  /** Global. The named group `secret` is what is secret; without one, all of the match is. */
  readonly form: RegExp;
}

/** Where a word of these characters begins. */
const start = '(?<![A-Za-z0-9_])';
const word = (form: string): RegExp => new RegExp(`${start}${form}`, 'g');

/** A quote, and one inside of JSON that is a text itself. */
const quote = `\\\\{0,3}["']?`;
/** Value of an assignment or option: to the next blank, quote or separator. Marks of ours are no values. */
const value = `(?<secret>(?!\\[redacted:)[^\\s"'&;,|<>]{0,511}[^\\s"'&;,|<>\\\\])`;
/** To the end of the line, or of the quotes. */
const line = `(?<secret>(?!\\s|\\[redacted:)[^\\r\\n"']{0,4095}[^\\r\\n"'\\\\])`;
/** Words that say that a secret follows. */
const secretName =
  '(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|_auth)';
const numbered = '(?:[_-]?(?:[0-9]{1,4}|b64|base64|value|key))?';

export const patterns: readonly Pattern[] = [
  {
    name: 'private-key',
    // To the end of the text when the end is missing: arguments are cut.
    form: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[^]{0,16384}?-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|[^]{0,16384})/g,
  },
  { name: 'aws-access-key', form: word('(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])') },
  { name: 'github-token', form: word('gh[pousr]_[A-Za-z0-9]{20,255}') },
  { name: 'github-token', form: word('github_pat_[A-Za-z0-9_]{22,255}') },
  { name: 'gitlab-token', form: word('gl(?:pat|ptt|dt|rt|soat|cbt)-[A-Za-z0-9_-]{20,255}') },
  { name: 'slack-token', form: word('xox[abeoprs]-[A-Za-z0-9-]{10,255}') },
  { name: 'slack-token', form: word('xapp-[A-Za-z0-9-]{10,255}') },
  { name: 'slack-webhook', form: /hooks\.slack\.com\/(?:services|workflows)\/[A-Za-z0-9+/]{20,120}/g },
  { name: 'model-api-key', form: word('sk-[A-Za-z0-9_-]{20,255}') },
  { name: 'google-api-key', form: word('AIza[0-9A-Za-z_-]{35}') },
  { name: 'google-oauth', form: word('(?:ya29\\.|GOCSPX-)[0-9A-Za-z_-]{20,512}') },
  { name: 'stripe-key', form: word('(?:sk|rk|whsec)_(?:live_|test_)?[0-9A-Za-z]{16,255}') },
  { name: 'npm-token', form: word('npm_[A-Za-z0-9]{30,64}') },
  { name: 'pypi-token', form: word('pypi-AgE[A-Za-z0-9_-]{40,512}') },
  { name: 'sendgrid-key', form: word('SG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{16,64}') },
  { name: 'twilio-key', form: word('(?:SK|AC)[0-9a-f]{32}(?![0-9a-f])') },
  { name: 'digitalocean-token', form: word('do[opr]_v1_[0-9a-f]{64}') },
  { name: 'huggingface-token', form: word('hf_[A-Za-z0-9]{30,64}') },
  { name: 'docker-token', form: word('dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,64}') },
  { name: 'databricks-token', form: word('dapi[0-9a-f]{32}') },
  { name: 'vault-token', form: word('hv[sbr]\\.[A-Za-z0-9_-]{24,512}') },
  { name: 'atlassian-token', form: word('AT(?:ATT|CTT)3[A-Za-z0-9_=-]{30,255}') },
  { name: 'age-key', form: word('AGE-SECRET-KEY-1[0-9A-Z]{58}') },
  { name: 'azure-key', form: /(?:AccountKey|SharedAccessKey)=(?<secret>[A-Za-z0-9+/=]{40,128})/g },
  { name: 'telegram-token', form: word('[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}') },
  { name: 'jwt', form: word('eyJ[A-Za-z0-9_-]{8,1024}\\.eyJ[A-Za-z0-9_-]{8,8192}\\.[A-Za-z0-9_-]{0,2048}') },
  { name: 'authorization', form: new RegExp(`authorization${quote}[:=] {0,4}${quote}${line}`, 'gi') },
  { name: 'bearer', form: new RegExp(`${start}bearer {1,4}(?<secret>[A-Za-z0-9._~+/=-]{16,2048})`, 'gi') },
  { name: 'cookie', form: new RegExp(`${start}(?:set-)?cookie${quote}: {0,4}${quote}${line}`, 'gi') },
  {
    name: 'url-password',
    form: /:\/\/[^\s/:@"']{0,256}:(?<secret>(?!\[redacted:)[^\s/@"']{1,512})@/g,
  },
  // NAME_OF_TOKEN=value, "apiKey": "value", --client-secret=value. What is before the word does not matter.
  {
    name: 'assignment',
    form: new RegExp(`${secretName}${numbered}${quote}(?:=|: {0,4})${quote}${value}`, 'gi'),
  },
  // openssl-passphrase-options(1ssl)
  { name: 'assignment', form: new RegExp(`${start}pass:${value}`, 'g') },
];

/** Options whose value is the next argument. */
export const secretOption = new RegExp(`^--?(?:[a-z0-9-]{0,40}-)?${secretName}(?:-[a-z0-9]{1,20})?$`, 'i');
/** Options that end in these say where a secret is, not what it is. */
export const placeOption = /(?:file|path|dir|url|uri|env|name|id|type|store|helper|cache|expiry|ttl|stdin)$/i;
/** Options whose next argument is `user:password`: curl(1), http(1). */
export const userOption = /^(?:-u|--user|--proxy-user|-a|--auth)$/;
/** Programs that take a password as the argument after this option. */
export const passwordOptions: ReadonlyMap<string, string> = new Map([
  ['sshpass', '-p'],
  ['redis-cli', '-a'],
  ['docker', '-p'],
  ['podman', '-p'],
]);
/** Programs that take it joined to the option: mysql(1). */
export const joinedOptions: ReadonlyMap<string, string> = new Map([
  ['mysql', '-p'],
  ['mysqldump', '-p'],
  ['mysqladmin', '-p'],
  ['mariadb', '-p'],
  ['mariadb-dump', '-p'],
]);
