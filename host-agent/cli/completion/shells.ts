/**
 * Completion scripts of three shells. Each looks up the words before the cursor in the same list ({@link Place}); where nothing of it
 * fits, the shell offers files. None of them runs `claviger` while somebody types.
 */
import type { Option } from './usage.ts'
import type { Place } from './words.ts'

export const SHELLS: Readonly<Record<string, (places: readonly Place[]) => string>> = { bash, zsh, fish }

const HEAD = '# Completion of claviger, written by "claviger completion": do not edit.'
/** Longest description, characters: it shares a line with what it describes. */
const DESCRIPTION = 60

/** For bash-completion, or `source <(claviger completion bash)`. bash(1), "Programmable Completion". */
function bash(places: readonly Place[]): string {
  const cases = places.map(({ name, next, options }) => {
    const words = next.map(({ word }) => word).join(' ')
    const names = options.map(option => option.name).join(' ')
    return `    ${pattern(name)}) depth=${depthOf(name)} words=${quote(words)} options=${quote(names)} ;;`
  })
  return `${HEAD}
_claviger() {
  local line="\${COMP_WORDS[*]:1:COMP_CWORD-1} " here=\${COMP_WORDS[COMP_CWORD]} depth=0 words='' options=''
  case "$line" in
${cases.join('\n')}
  esac
  COMPREPLY=()
  if (( COMP_CWORD == depth )); then COMPREPLY=($(compgen -W "$words" -- "$here")); fi
  if [[ $here == -* ]]; then COMPREPLY+=($(compgen -W "$options" -- "$here")); fi
}
complete -o default -F _claviger claviger
`
}

/** For a folder of `$fpath`, or `source <(claviger completion zsh)`. zshcompsys(1). */
function zsh(places: readonly Place[]): string {
  const describe = (name: string, text: string) =>
    quote(`${name.replaceAll(':', '\\:')}${text && `:${text}`}`)
  const cases = places.map(({ name, next, options }) => {
    const words = next.map(({ word, text }) => describe(word, text)).join(' ')
    const names = options.map(option => describe(option.name, describeOption(option))).join(' ')
    return `    ${pattern(name)}) depth=${depthOf(name) + 1}; words_here=(${words}); options=(${names}) ;;`
  })
  return `#compdef claviger
${HEAD}
_claviger() {
  local line="\${(j: :)words[2,CURRENT-1]} " depth=0
  local -a words_here options
  case "$line" in
${cases.join('\n')}
  esac
  if [[ $PREFIX == -* && $#options -gt 0 ]]; then _describe -o option options
  elif (( CURRENT == depth && $#words_here )); then _describe command words_here
  else _files; fi
}
if [[ $funcstack[1] == _claviger ]]; then _claviger "$@"; else compdef _claviger claviger; fi
`
}

/** For a folder of vendor completions, or `claviger completion fish | source`. fish-completions(7). */
function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ name, next, options }) => {
    const longer = places.filter(place => place.name.startsWith(`${name} `) && name !== '')
    const inside = [
      `__claviger_in ${quote(name)}`,
      ...longer.map(place => `not __claviger_in ${quote(place.name)}`),
    ]
    const begin = (condition: string) => `complete -c claviger -n ${quote(condition)}`
    return [
      ...next.map(
        ({ word, text }) =>
          `${begin(`__claviger_at ${quote(name)}`)} -f -a ${quote(word)}${text && ` -d ${quote(text)}`}`,
      ),
      ...options.map(option => {
        const flag = option.name.startsWith('--')
          ? `-l ${option.name.slice(2)}`
          : `-s ${option.name.slice(1)}`
        const text = describeOption(option)
        return `${begin(inside.join('; and '))} ${flag}${option.value === null ? '' : ' -r'}${text && ` -d ${quote(text)}`}`
      }),
    ]
  })
  return `${HEAD}
function __claviger_at
    set -l words (commandline -opc)
    test "$words[2..-1]" = "$argv"
end
function __claviger_in
    set -l words (commandline -opc)
    string match -q -- "$argv *" "$words[2..-1] "
end
${lines.join('\n')}
`
}

/** Of the words before the cursor, each with a blank behind it. */
function pattern(name: string): string {
  return name === '' ? '*' : `${quote(`${name} `)}*`
}

/** Where the word behind a name stands; that of the program is 0. */
function depthOf(name: string): number {
  return name === '' ? 1 : name.split(' ').length + 1
}

function describeOption({ value, text }: Option): string {
  const short = text.split(/[;:(]/)[0]!.trim()
  const cut = short.length > DESCRIPTION ? `${short.slice(0, DESCRIPTION - 1).trimEnd()}…` : short
  return value === null ? cut : `${value}${cut && ` – ${cut}`}`
}

/** A word in single quotes, for any of the three: fish alone reads a backslash in them, and there is none in ours. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`
}
