// `cordon completion bash`: generated from the table of verbs, so that it cannot fall behind.
import { verbs } from '../table.ts';
import type { Verb, VerbAction } from '../verb.ts';

const flagsOf = (verb: Verb): string[] =>
  ['--json', '--help', ...verb.options.map((option) => option.flags)].flatMap(
    (flags) => flags.match(/--[a-z-]+/g) ?? [],
  );

const firstWords = [...new Set(verbs.map((verb) => verb.name.split(' ')[0] ?? ''))];

function cases(): string[] {
  return verbs.map((verb) => `    '${verb.name}') words='${flagsOf(verb).join(' ')}' ;;`);
}

function groupCases(): string[] {
  const groups = firstWords.filter((word) => verbs.some((verb) => verb.name.startsWith(`${word} `)));
  return groups.map((group) => {
    const seconds = verbs
      .filter((verb) => verb.name.startsWith(`${group} `))
      .map((verb) => verb.name.split(' ')[1]);
    return `    '${group}') words='${seconds.join(' ')}' ;;`;
  });
}

const script = (): string => `# bash completion for cordon
_cordon() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} verb= word words= at
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    case $word in
      --) COMPREPLY=(); compopt -o default; return ;;
      --socket) ((at++)) ;;
      -*) ;;
      *) verb=\${verb:+$verb }$word; [[ $verb == *' '* ]] && break ;;
    esac
  done
  case $previous in
    --mode) COMPREPLY=($(compgen -W 'enforce monitor' -- "$current")); return ;;
    --user) COMPREPLY=($(compgen -u -- "$current")); return ;;
    --workspace|--profile|--profiles|--socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case $verb in
    '') words='--socket --json --help ${firstWords.join(' ')}' ;;
${groupCases().join('\n')}
${cases().join('\n')}
    'policy check '*|'policy show '*|'policy test '*) words='--json --help' ;;
    *) words='--json --help' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $verb == policy\\ * ]] && COMPREPLY+=($(compgen -f -- "$current"))
}
complete -F _cordon cordon`;

export const completion: VerbAction = ({ json, out }) => {
  out(json ? JSON.stringify({ shell: 'bash', script: script() }) : script());
  return Promise.resolve(0);
};
