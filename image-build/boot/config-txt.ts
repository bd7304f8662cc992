/**
 * `config.txt`, as the Pi's firmware reads it, and which files it then loads. Used by the composer and by the tests, which ask
 * whether those files are there. Raspberry Pi documentation, "The config.txt file".
 */
import { ImageError } from '../errors.ts'

/** What the firmware takes from it. */
export interface BootFiles {
  readonly kernel: string
  readonly initramfs: string | null
  readonly cmdline: string
  readonly deviceTree: string | null
  readonly overlays: readonly string[]
}

/** Settings of one file; a filter such as `[pi4]` ends the part that is for every Pi. */
type Settings = ReadonlyMap<string, readonly string[]>

const MAX_LINE = 98

/** Where everything that belongs to a slot is. */
export const SLOTS = { a: 'a/', b: 'b/' } as const

/** The file for one image. Nothing in it differs between slots but the prefix. */
export function writeConfigTxt({ deviceTree, prefix }: { deviceTree: string; prefix: string }): string {
  const lines = [
    'arm_64bit=1',
    `os_prefix=${prefix}`,
    'kernel=vmlinuz',
    'initramfs initramfs.img followkernel',
    'cmdline=cmdline.txt',
    `device_tree=${deviceTree}`,
    // the least, and with it the smallest firmware: there is no screen
    'gpu_mem=16',
    'hdmi_blanking=2',
    'disable_splash=1',
    'disable_overscan=1',
    'boot_delay=0',
    'camera_auto_detect=0',
    'display_auto_detect=0',
    'dtparam=audio=off',
    'enable_uart=0',
    'avoid_warnings=0',
  ]
  const long = lines.find(line => line.length > MAX_LINE)
  if (long) throw new ImageError(`config.txt: the firmware reads ${MAX_LINE} characters of a line: ${long}`)
  return `${lines.join('\n')}\n`
}

/**
 * The settings that are for every Pi, each with its values in order.
 *
 * @throws ImageError where a line is longer than the firmware reads
 */
export function parseConfigTxt(text: string): Settings {
  const settings = new Map<string, string[]>()
  let all = true
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*$/, '').trim()
    if (line === '') continue
    if (line.length > MAX_LINE) throw new ImageError('config.txt: a line is longer than the firmware reads')
    const [, filter] = /^\[(.*)\]$/.exec(line) ?? []
    if (filter !== undefined) {
      all = filter === 'all'
      continue
    }
    const [, key, value] = /^([A-Za-z0-9_]+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? []
    if (all && key !== undefined) settings.set(key, [...(settings.get(key) ?? []), value!.trim()])
  }
  return settings
}

/**
 * What the firmware loads. With a prefix, each file is looked for behind it only: the firmware falls back to the plain name where
 * the kernel is missing behind the prefix, which we never rely on.
 */
export function bootFiles(settings: Settings): BootFiles {
  const last = (key: string) => settings.get(key)?.at(-1)
  const prefix = last('os_prefix') ?? ''
  const of = (name: string | undefined) => (name ? prefix + name : null)
  const overlays = (settings.get('dtoverlay') ?? []).map(value => value.split(',')[0]!).filter(Boolean)
  return {
    kernel: of(last('kernel') ?? 'kernel8.img')!,
    initramfs: of(last('initramfs')?.split(/\s+/)[0]),
    cmdline: of(last('cmdline') ?? 'cmdline.txt')!,
    deviceTree: of(last('device_tree')),
    overlays: overlays.map(name => `${prefix}overlays/${name}.dtbo`),
  }
}
