/**
 * From what is there to what has to be there, as steps. Pure, so that every half-made gadget that a power cut can leave is
 * mended in a test without a kernel.
 */
import { CONTROLLER, type Item } from './description.ts'

/** What of the gadget is there. */
export interface Found {
  /** Paths of directories, the gadget's own being `.`. */
  readonly directories: ReadonlySet<string>
  /** Values of attributes, without the line's end. */
  readonly attributes: ReadonlyMap<string, string>
  /** Paths of links. */
  readonly links: ReadonlySet<string>
}

/** One change. */
export type Step =
  | { readonly do: 'make'; readonly path: string }
  | { readonly do: 'write'; readonly path: string; readonly value: string }
  | { readonly do: 'link'; readonly path: string; readonly target: string }
  | { readonly do: 'unlink'; readonly path: string }
  | { readonly do: 'remove'; readonly path: string }

/**
 * The steps that make `items` so, without binding.
 *
 * A gadget that is bound is unbound first when anything has to change: a host reads descriptors once, when it finds the
 * device. Nothing to change is no step at all, so that setting up twice does not cut the line.
 */
export function setUp(items: readonly Item[], found: Found): Step[] {
  const steps = items.flatMap((item): Step[] => {
    const { kind, path } = item
    if (kind === 'directory') return found.directories.has(path) ? [] : [{ do: 'make', path }]
    if (kind === 'link') return found.links.has(path) ? [] : [{ do: 'link', path, target: item.target }]
    return found.attributes.get(path) === item.value ? [] : [{ do: 'write', path, value: item.value }]
  })
  return steps.length > 0 ? [...unbind(found), ...steps] : []
}

/** The steps that bind the gadget to a controller, which makes it visible to a host. */
export function bind(controller: string, found: Found): Step[] {
  if (boundTo(found) === controller) return []
  return [...unbind(found), { do: 'write', path: CONTROLLER, value: controller }]
}

/** The steps that remove an unbound gadget. Directories that the kernel makes by itself go with the one that holds them. */
export function takeDown(items: readonly Item[], found: Found): Step[] {
  return items.toReversed().flatMap(({ kind, path }): Step[] => {
    if (kind === 'link' && found.links.has(path)) return [{ do: 'unlink', path }]
    return kind === 'directory' && found.directories.has(path) ? [{ do: 'remove', path }] : []
  })
}

/** The steps that hide the gadget from the host, and hang up its terminal. */
export function unbind(found: Found): Step[] {
  return boundTo(found) === '' ? [] : [{ do: 'write', path: CONTROLLER, value: '' }]
}

/** Name of the controller, empty when there is none. */
export function boundTo(found: Found): string {
  return found.attributes.get(CONTROLLER) ?? ''
}
