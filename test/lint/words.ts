/** What must not stand in a file of this repository: paths of somebody's machine, addresses of registries, loose ends. */

const WORDS: [pattern: RegExp, why: string][] = [
  [/(?<![\w.$}/-])\/(?:tmp|work|farm|home|root)\/[a-z]/i, 'a path of a machine'],
  [
    /https?:\/\/[a-z0-9.-]*(?:registry\.npm|npmjs|deb\.debian|ftp\.debian)[a-z0-9.-]*/i,
    'the address of a registry',
  ],
  [/\b(?:TODO|FIXME|XXX)\b/, 'a loose end'],
  [/\bt\.only\(|@ts-ignore|\bas any\b/, 'a check that was switched off'],
]

/** @returns a complaint for each line that holds such a thing */
export function complaintsAbout(path: string, text: string): string[] {
  if (path.startsWith('test/lint/')) return []
  return text
    .split('\n')
    .flatMap((line, i) =>
      WORDS.flatMap(([pattern, why]) =>
        pattern.test(line) ? [`${path}:${i + 1}: ${why}: ${line.trim().slice(0, 80)}`] : [],
      ),
    )
}
