/** Address labels of rows of the shop, as `claviger shop labels` makes them; the page is sent to the browser and written nowhere. */
import type { LabelsBody, LabelsLine } from './api.ts'
import type { EnrolmentLink } from './link.ts'
import { PageRefusal, problemOf } from './problem.ts'
import type { Shop } from './shop.ts'

/**
 * Opens, and tells how far it is.
 *
 * @param signal - fires when nobody waits for them any more
 * @throws what is wrong with the question; later problems are a line, after a page with what was opened until then
 */
export async function makeLabels(
  { table, keys, address, name, packing = [], stock: stockName, skip, from, purpose }: LabelsBody,
  shop: Shop,
  link: EnrolmentLink,
  write: (line: LabelsLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const { mapping, mapped } = await shop.table(table)
  const { checkColumns, chooseAddress, readFrom } = await import('../../shop/labels/choose.ts')
  const { columnsFor, gather } = await import('../../shop/labels/gather.ts')
  const { labelPage } = await import('../../shop/labels/page.ts')
  const { perSheet, stockOf } = await import('../../shop/labels/stock.ts')
  const { opener } = await import('../../shop/opening/cells.ts')
  const { describeForReading } = await import('../../shop/opening/columns.ts')
  const { keyFault, wantedRows } = await import('../../shop/opening/wanted-rows.ts')
  const { recordName } = await import('../../shop/mapping/record-name.ts')
  const stock = stockOf(stockName)
  const most = perSheet(stock) - 1
  if (skip > most)
    throw new PageRefusal('malformed-request', { message: `a sheet has no more than ${most} labels to skip` })
  const appliance = await link.appliance()
  const open = opener(appliance, { purpose: { purpose }, manner: {} })
  const parts = { mapped, address: chooseAddress(mapped, address), types: mapping.types, name, packing }
  const gathering = { ...parts, from: readFrom(from), stock, open }
  await shop.withDatabase(mapping, async database => {
    const described = await describeForReading(database, mapped)
    for (const key of keys) {
      const fault = keyFault(key, mapped.key, described)
      if (fault)
        throw new PageRefusal('malformed-request', { message: `this is no key of ${table}`, hint: fault })
    }
    checkColumns(described, mapped, { name, packing })
    const columns = columnsFor(gathering)
    const gathered: Parameters<typeof gather>[3] = { orders: [], leftOut: [] }
    const rows = wantedRows(database, { table: described, key: mapped.key, columns }, keys, key =>
      gathered.leftOut.push({
        record: recordName(mapped.record, mapped.key, key),
        reason: 'there is no such row',
      }),
    )
    write({ is: 'progress', done: 0, total: keys.length })
    let failure: unknown
    try {
      for await (const batch of rows) {
        if (signal.aborted) return
        await gather(batch, columns, gathering, gathered)
        write({ is: 'progress', done: gathered.orders.length + gathered.leftOut.length, total: keys.length })
      }
    } catch (error) {
      failure = error
    }
    // what was opened was counted against the budget, so it is not thrown away
    if (failure === undefined || gathered.orders.length > 0) {
      const html = labelPage(gathered.orders, stock, { skip, hasPacking: packing.length > 0 })
      write({ is: 'page', html, labels: gathered.orders.length, leftOut: [...gathered.leftOut] })
    }
    if (failure !== undefined) write({ is: 'problem', problem: problemOf(failure).problem })
  })
}
