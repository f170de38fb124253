// How private the files are that the command makes, until it says otherwise itself: umask(2).

const usual = 0o022;

/** Of octal text; what is none, or not given by a cordond of before, is the usual one. */
export const umaskOf = (text: string): number =>
  /^[0-7]{1,4}$/.test(text) ? Number.parseInt(text, 8) & 0o777 : usual;
