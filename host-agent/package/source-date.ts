/** The time that every file of a package has: of the sources, so that it is the same wherever they are built. */
import { spawnSync } from 'node:child_process'
import { ImageError } from '../../image-build/errors.ts'
import { ROOT } from './bundle.ts'

/**
 * `SOURCE_DATE_EPOCH`, or else the time of the newest commit, seconds since 1970.
 *
 * @throws ImageError where neither says when
 */
export function sourceDate(): number {
  const told =
    process.env.SOURCE_DATE_EPOCH ??
    spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }).stdout?.trim()
  if (!told || !/^\d{1,10}$/.test(told))
    throw new ImageError('it is not known when the sources were last changed', {
      hint: 'build in a checkout, or say SOURCE_DATE_EPOCH',
    })
  return Number(told)
}
