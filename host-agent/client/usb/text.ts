/** Texts that a device or another program chose, made fit for a terminal and a log. */

/**
 * The text without anything that is not a printable ASCII character, so that no escape sequence reaches a terminal.
 *
 * @param longest - characters
 */
export function plainText(text: string, longest: number): string {
  return text
    .slice(0, longest * 4)
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, longest)
}
