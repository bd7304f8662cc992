/** What a run over a whole table does so that its memory does not grow with the table. */
import { setFlagsFromString } from 'node:v8'

/**
 * The young generation stays as it started, and the old one is collected when it has grown by 30 percent. What a row leaves behind lives
 * shortly; V8 would rather take ever more memory for it than collect it (docs/performance.md, "What the memory of shop seal is made of").
 */
export function keepHeapSmall(): void {
  for (const flag of ['--semi-space-growth-factor=1', '--heap-growing-percent=30']) setFlagsFromString(flag)
}
