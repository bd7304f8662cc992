/** Settings of a namespace. They stand in the header of the keystore, because they count while it is locked, too. */
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { DEFAULT_LIMITS } from './chronicle.ts'
import { Settings } from './rpc/messages.ts'
import type { Service } from './service.ts'
import type { Vault } from './vault.ts'

const DEFAULTS: Settings = { tries: DEFAULT_LIMITS }

/** The settings, or the defaults where there are none that can be read. */
export function readSettings(vault: Vault): Settings {
  const bytes = vault.public('settings')
  if (!bytes) return DEFAULTS
  try {
    const settings = decodeCbor(bytes)
    return Settings(settings) ? settings : DEFAULTS
  } catch {
    return DEFAULTS
  }
}

export async function changeSettings({ vault }: Service, settings: Settings): Promise<Settings> {
  await vault.update(state => state, { public: new Map([['settings', encodeCbor(settings)]]) })
  return settings
}
