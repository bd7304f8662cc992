/** `settings.json` beside the enrolments: what this machine looks for. docs/plug-it-in.md, "Settings". */
import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { ConnectionError } from './errors.ts'
import { DEFAULT_PAGE, type PageSettings, pageSettingsOf } from './page-settings.ts'
import { RESERVED_NAME } from './profile.ts'
import { DEFAULT_FINGERPRINTS, type Fingerprints, parseFingerprints } from './usb/fingerprints.ts'
import { plainText } from './usb/text.ts'

/** What a person may decide for a machine; everything has a default. */
export interface Settings {
  /** Ids of the USB devices that are taken for dongles. */
  usb: Fingerprints
  /** Lines that are kept open beside the dongles that are found: `/dev/ttyX`, `COM7`, `unix:/path`. */
  ports: readonly string[]
  /** Whether the LAN is asked for devices. */
  browse: boolean
  /** What opens on this machine unless told: a source of keys as `parseSource` reads it (sources/choose.ts). */
  source?: string
  /** The staff's page. */
  page: PageSettings
}

/** Name of the file in the directory of profiles. */
export const SETTINGS_FILE = `${RESERVED_NAME}.json`

/** What is so where there is no file. */
export const DEFAULT_SETTINGS: Settings = {
  usb: DEFAULT_FINGERPRINTS,
  ports: [],
  browse: false,
  page: DEFAULT_PAGE,
}

/** What the administrator of a machine says for all its users: of it only the list of shops is used. */
export const MACHINE_SETTINGS = '/etc/claviger/settings.json'

/** Longest list, and longest path in characters. */
const MOST = 32
const LONGEST = 1024

/**
 * Reads the settings of a machine.
 *
 * @param directory - as `profileDirectory(env)` says
 * @returns the defaults where there is no file
 * @throws ConnectionError `bad-profile`, which names the file and what is wrong in it
 */
export async function readSettings(directory: string): Promise<Settings> {
  return readSettingsAt(join(directory, SETTINGS_FILE))
}

/**
 * The shops whose pages may hold frames: those that the user names, and those that the machine's administrator does.
 *
 * @param machine - path of the machine's settings
 * @throws ConnectionError `bad-profile`
 */
export async function readShops(directory: string, machine: string = MACHINE_SETTINGS): Promise<string[]> {
  const both = await Promise.all([readSettings(directory), readSettingsAt(machine)])
  return [...new Set(both.flatMap(({ page }) => page.shops))]
}

async function readSettingsAt(path: string): Promise<Settings> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return DEFAULT_SETTINGS
    throw new ConnectionError('bad-profile', `${path} cannot be read`, {
      cause,
      hint: 'make it a file that you may read, or remove it',
    })
  }
  return parseSettings(text, path)
}

/**
 * Parses the text of a settings file. What is absent has its default; what is unknown is refused, because a setting with a
 * wrong letter would silently do nothing.
 *
 * @param path - of the file, for the errors
 * @throws ConnectionError `bad-profile`
 */
export function parseSettings(text: string, path: string): Settings {
  const refuse = (what: string, hint: string, cause?: unknown): never => {
    throw new ConnectionError('bad-profile', `${path}: ${what}`, { cause, hint })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    refuse('this is not JSON', 'look for a comma or a quotation mark too many or too few', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('this is not a JSON object', 'write { "usb": ["1209:0001"] }, or remove the file')
  const { usb, ports, browse, source, page, ...others } = value as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    return refuse(
      `"${plainText(unknown, 32)}" is not a setting`,
      'there are "usb", "ports", "browse", "source" and "page"',
    )
  return {
    usb: usb === undefined ? DEFAULT_SETTINGS.usb : fingerprintsOf(usb, refuse),
    ports: ports === undefined ? DEFAULT_SETTINGS.ports : portsOf(ports, refuse),
    browse: browse === undefined ? DEFAULT_SETTINGS.browse : flagOf(browse, refuse),
    ...(source === undefined ? {} : { source: sourceOf(source, refuse) }),
    page: page === undefined ? DEFAULT_SETTINGS.page : pageSettingsOf(page, refuse),
  }
}

type Refuse = (what: string, hint: string) => never

function fingerprintsOf(value: unknown, refuse: Refuse): Fingerprints {
  const hint = 'write each as vendor:product in hexadecimal, "1209:0001"'
  const texts = textsOf(value) ?? refuse(`"usb" is not a list of at most ${MOST} texts`, hint)
  const parsed = parseFingerprints(texts)
  if ('bad' in parsed) return refuse(`"usb" has an entry that is not vvvv:pppp`, hint)
  return parsed
}

function portsOf(value: unknown, refuse: Refuse): string[] {
  const hint = 'write each as "/dev/ttyACM0", "COM7" or "unix:/path/of/a/socket"'
  const texts = textsOf(value) ?? refuse(`"ports" is not a list of at most ${MOST} texts`, hint)
  if (!texts.every(isPort)) return refuse('"ports" has an entry that is not a port', hint)
  return [...new Set(texts)]
}

function flagOf(value: unknown, refuse: Refuse): boolean {
  return typeof value === 'boolean'
    ? value
    : refuse('"browse" is neither true nor false', 'write true or false')
}

function sourceOf(value: unknown, refuse: Refuse): string {
  const isText = typeof value === 'string' && value !== '' && value.length <= LONGEST && !/\p{C}/u.test(value)
  return isText
    ? value
    : refuse(
        '"source" is no source of keys',
        'write "local:keys.json", "manual:orders" or the name of an enrolment',
      )
}

function textsOf(value: unknown): string[] | null {
  const isList = Array.isArray(value) && value.length <= MOST && value.every(one => typeof one === 'string')
  return isList ? value : null
}

function isPort(text: string): boolean {
  if (text.length > LONGEST || /\p{C}/u.test(text)) return false
  return /^COM\d{1,3}$/.test(text) || isAbsolute(text.replace(/^unix:/, ''))
}
