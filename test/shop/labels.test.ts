/** Countries by their names, and addresses as each country's post wants them. */
import t from 'tap'
import { readCountry } from '../../host-agent/shop/records/country.ts'
import { labelLines } from '../../host-agent/shop/records/label.ts'
import { join, split } from '../../host-agent/shop/records/record.ts'

t.test('When a country is named in one of the languages that forms have, then it is known', async t => {
  const names = ['Germany', 'Deutschland', 'Allemagne', 'Alemania', 'ドイツ', 'de', 'GERMANY', 'Duitsland']
  for (const name of names) t.same(readCountry(name), { text: 'DE', tells: {} }, name)
  for (const name of ['U.S.A.', 'USA', 'United States', 'Vereinigte Staaten', 'États-Unis', 'EE. UU.'])
    t.same(readCountry(name), { text: 'US', tells: {} }, name)
  for (const name of ['Österreich', 'osterreich']) t.same(readCountry(name), { text: 'AT', tells: {} }, name)
  for (const name of [
    'EU',
    'ZZ',
    'UN',
    'QO',
    'XA',
    'AN',
    'SU',
    '276',
    '000',
    'Atlantis',
    'constructor',
    '__proto__',
    ' ',
  ])
    t.ok('fault' in readCountry(name), name)
})

t.test('When an address is printed, then what a parcel needs is on the label, in every country', async t => {
  const needed = { name: 'Ω', organization: 'Ψ', street: 'Χ', district: 'Φ', locality: 'Υ' }
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
  const codes = letters.flatMap(a => letters.map(b => a + b)).filter(code => !('fault' in readCountry(code)))
  t.ok(codes.length > 245 && codes.length < 255, `${codes.length} countries`)
  for (const country of codes) {
    const lines = labelLines({ ...needed, region: 'D', 'postal-code': '12345', 'sorting-code': 'E', country })
    for (const text of Object.values(needed))
      t.equal(lines.join(' ').split(text).length, 2, `${country}: ${text} once in ${lines.join(' | ')}`)
  }
})

t.test('When addresses are printed, then as their countries write them', async t => {
  const label = (value: Record<string, string>, from?: string) =>
    labelLines(join('address', split('address', value)), from === undefined ? {} : { from })
  const jo = { name: 'Jo Doe' }
  t.same(
    label(
      {
        ...jo,
        street: '1600 Amphitheatre Pkwy',
        locality: 'Mountain View',
        region: 'CA',
        'postal-code': '94043',
        country: 'US',
      },
      'US',
    ),
    ['Jo Doe', '1600 Amphitheatre Pkwy', 'Mountain View, CA 94043'],
  )
  t.same(
    label(
      {
        ...jo,
        'street-number': '1',
        street: 'Damrak',
        locality: 'Amsterdam',
        'postal-code': '1012LG',
        country: 'NL',
      },
      'DE',
    ),
    ['Jo Doe', 'Damrak 1', '1012 LG Amsterdam', 'NETHERLANDS'],
  )
  t.same(
    label(
      {
        name: '山田',
        street: '永田町1-7-1',
        locality: '千代田区',
        region: '東京都',
        'postal-code': '1000014',
        country: 'JP',
      },
      'JP',
    ),
    ['〒100-0014', '東京都', '千代田区', '永田町1-7-1', '山田'],
  )
  t.same(
    label(
      {
        ...jo,
        street: 'Av. Paulista',
        'street-number': '1578',
        district: 'Bela Vista',
        locality: 'São Paulo',
        region: 'SP',
        'postal-code': '01310-200',
        country: 'BR',
      },
      'BR',
    ),
    ['Jo Doe', 'Av. Paulista, 1578', 'Bela Vista', 'São Paulo-SP', '01310-200'],
  )
  t.same(
    label(
      {
        ...jo,
        street: 'Straße des 17. Juni 135',
        locality: 'Berlin',
        region: 'Berlin',
        'postal-code': '10623',
        country: 'DE',
      },
      'FR',
    ),
    ['Jo Doe', 'Straße des 17. Juni 135', '10623 Berlin', 'GERMANY'],
  )
  t.same(
    label(
      { ...jo, street: '1 Orchard Road', locality: 'Singapore', 'postal-code': '238824', country: 'SG' },
      'SG',
    ),
    ['Jo Doe', '1 Orchard Road', 'SINGAPORE 238824'],
  )
})
