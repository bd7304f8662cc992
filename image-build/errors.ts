/** What goes wrong while an image is made or checked, told to the person who makes it. */

/** A failure with its next step. */
export class ImageError extends Error {
  /** The next step for the reader, in one sentence without a capital or a full stop. */
  readonly hint: string | undefined

  constructor(message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options)
    this.name = 'ImageError'
    this.hint = options.hint
  }
}
