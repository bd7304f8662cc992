/** Keys of rows as people write them: a list, one a line, or a range of numbers. */

export type Keys = { keys: string[][] } | { fault: 'empty' | 'range' | 'many' | 'columns' }

/**
 * @param columns - of the key: with one, commas separate keys; with several, the parts of one
 * @param most - keys
 */
export function readKeys(text: string, columns: number, most: number): Keys {
  const lines = text.replace(/^\ufeff/, '').split(/[\r\n;]+/)
  const keys = lines.flatMap(line => {
    const cells = line.split(/[,\t]/).map(cell => cell.trim())
    if (cells.every(cell => cell === '')) return []
    return columns === 1 ? cells.filter(cell => cell !== '').map(cell => [cell]) : [cells]
  })
  if (keys.length === 0) return { fault: 'empty' }
  if (keys.some(key => key.length !== columns || key.includes(''))) return { fault: 'columns' }
  const once = new Map(keys.map(key => [key.join('\0'), key]))
  return once.size > most ? { fault: 'many' } : { keys: [...once.values()] }
}

/** Every whole number from the one to the other. */
export function readRange(from: string, to: string, most: number): Keys {
  if (from.trim() === '' && to.trim() === '') return { fault: 'empty' }
  const [first, last] = [from, to].map(text => (/^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN))
  if (!(first! <= last!)) return { fault: 'range' }
  if (last! - first! >= most) return { fault: 'many' }
  return { keys: Array.from({ length: last! - first! + 1 }, (_, i) => [String(first! + i)]) }
}
