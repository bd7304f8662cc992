/** Records of many countries as shops have them, each with the parts that it must split into. */

/** Type, value, what of it is readable, what is sealed, and the country of the shop where the value needs one. */
export type Case = [
  type: string,
  value: string | Record<string, string>,
  readable: Record<string, string>,
  sealed: Record<string, string>,
  country?: string,
]

const address = (rest: Record<string, string>) => ({ rest: JSON.stringify(rest) })

/** Numbers are those that schemes, banks and regulators publish for tests, or of public places. */
export const CASES: readonly Case[] = [
  [
    'card',
    { number: '4242 4242 4242 4242', expiry: '12/27', holder: 'Zoë Müller' },
    { brand: 'visa', last4: '4242', expiry: '2027-12' },
    { number: '4242424242424242', holder: 'Zoë Müller' },
  ],
  ['card', '5555-5555-5555-4444', { brand: 'mastercard', last4: '4444' }, { number: '5555555555554444' }],
  [
    'card',
    { number: '3782 822463 10005', expiry: '127' },
    { brand: 'american-express', last4: '0005', expiry: '2027-01' },
    { number: '378282246310005' },
  ],
  [
    'card',
    '３５６６ ００２０ ２０３６ ０５０５',
    { brand: 'jcb', last4: '0505' },
    { number: '3566002020360505' },
  ],
  ['card', '6062 8288 8866 6688', { brand: 'hipercard', last4: '6688' }, { number: '6062828888666688' }],
  ['card', '6011 1111 1111 1117', { brand: 'discover', last4: '1117' }, { number: '6011111111111117' }],
  ['card', '6240 0086 3140 1148', { brand: 'unionpay', last4: '1148' }, { number: '6240008631401148' }],
  ['card', '1354 1234 5678 911', { brand: 'unknown', last4: '8911' }, { number: '135412345678911' }],
  [
    'iban',
    { number: 'DE89 3704 0044 0532 0130 00', holder: 'Max Mustermann' },
    { country: 'DE', bank: '37040044', last4: '3000' },
    { number: 'DE89370400440532013000', holder: 'Max Mustermann' },
  ],
  [
    'iban',
    'gb29 nwbk 6016 1331 9268 19',
    { country: 'GB', bank: 'NWBK601613', last4: '6819' },
    { number: 'GB29NWBK60161331926819' },
  ],
  [
    'iban',
    'IBAN NL91 ABNA 0417 1643 00',
    { country: 'NL', bank: 'ABNA', last4: '4300' },
    { number: 'NL91ABNA0417164300' },
  ],
  [
    'iban',
    'BR18 0036 0305 0000 1000 9795 493C 1',
    { country: 'BR', bank: '0036030500001', last4: '93C1' },
    { number: 'BR1800360305000010009795493C1' },
  ],
  // seven digits of account: the last four would be most of it
  ['iban', 'NO93 8601 1117 947', { country: 'NO', bank: '8601' }, { number: 'NO9386011117947' }],
  [
    'us-account',
    { bank: '021-000-021', number: '0012 3456-7890' },
    { bank: '021000021', last4: '7890' },
    { number: '001234567890' },
  ],
  ['us-account', { bank: '011000015', number: '123456' }, { bank: '011000015' }, { number: '123456' }],
  ['clabe', '032 180 00011835971 9', { bank: '032', last4: '9719' }, { number: '032180000118359719' }],
  [
    'account',
    { bank: '20-00-00', number: '55779911' },
    { bank: '200000', last4: '9911' },
    { number: '55779911' },
  ],
  [
    'account',
    { bank: 'SBIN0000691', number: '1000 0000 0123' },
    { bank: 'SBIN0000691', last4: '0123' },
    { number: '100000000123' },
  ],
  [
    'account',
    { bank: '0800', number: '19-2000145399' },
    { bank: '0800', last4: '5399' },
    { number: '19-2000145399' },
  ],
  [
    'address',
    {
      street: '1600 Amphitheatre Pkwy',
      locality: 'Mountain View',
      region: 'CA',
      'postal-code': '94043',
      country: 'us',
    },
    { 'street-number': '1600', 'postal-code': '94043', country: 'US' },
    address({ street: '1600 Amphitheatre Pkwy', locality: 'Mountain View', region: 'CA' }),
  ],
  [
    'address',
    { name: 'PM', street: '10 Downing Street', locality: 'London', 'postal-code': 'sw1a2aa', country: 'UK' },
    { 'street-number': '10', 'postal-code': 'SW1A 2AA', country: 'GB' },
    address({ name: 'PM', street: '10 Downing Street', locality: 'London' }),
  ],
  [
    'address',
    {
      street: 'Straße des 17. Juni 135',
      locality: 'Berlin',
      'postal-code': 'D-10623',
      country: 'Deutschland',
    },
    { 'street-number': '135', 'postal-code': '10623', country: 'DE' },
    address({ street: 'Straße des 17. Juni 135', locality: 'Berlin' }),
  ],
  [
    'address',
    {
      street: '永田町１丁目７番１号',
      locality: '千代田区',
      region: '東京都',
      'postal-code': '〒１００−００１４',
      country: '日本',
    },
    { 'street-number': '1-7-1', 'postal-code': '100-0014', country: 'JP' },
    address({ street: '永田町１丁目７番１号', locality: '千代田区', region: '東京都' }),
  ],
  [
    'address',
    {
      street: 'Av. Paulista, 1578',
      district: 'Bela Vista',
      locality: 'São Paulo',
      region: 'SP',
      'postal-code': '01310200',
    },
    { 'street-number': '1578', 'postal-code': '01310-200', country: 'BR' },
    address({ street: 'Av. Paulista, 1578', district: 'Bela Vista', locality: 'São Paulo', region: 'SP' }),
    'Brazil',
  ],
  [
    'address',
    {
      'street-number': '1-3',
      street: 'Damrak',
      locality: 'Amsterdam',
      'postal-code': '1012lg',
      country: 'Nederland',
    },
    { 'street-number': '1-3', 'postal-code': '1012 LG', country: 'NL' },
    address({ 'street-number': '1-3', street: 'Damrak', locality: 'Amsterdam' }),
  ],
  [
    'address',
    { street: 'Calle 5 de Mayo No. 20 Int. 3', locality: 'CDMX', 'postal-code': '06000', country: 'MX' },
    { 'street-number': '20', 'postal-code': '06000', country: 'MX' },
    address({ street: 'Calle 5 de Mayo No. 20 Int. 3', locality: 'CDMX' }),
  ],
  [
    'address',
    { street: '5 Avenue Anatole France', locality: 'Paris', 'postal-code': '75007', country: 'France' },
    { 'street-number': '5', 'postal-code': '75007', country: 'FR' },
    address({ street: '5 Avenue Anatole France', locality: 'Paris' }),
  ],
  [
    'address',
    { street: 'Carrera 7 # 8-68', locality: 'Bogotá', 'postal-code': '110 311', country: 'CO' },
    { 'street-number': '8-68', 'postal-code': '110 311', country: 'CO' },
    address({ street: 'Carrera 7 # 8-68', locality: 'Bogotá' }),
  ],
  [
    'address',
    { street: 'The Old Rectory', locality: 'Hong Kong', country: 'HK' },
    { country: 'HK' },
    address({ street: 'The Old Rectory', locality: 'Hong Kong' }),
  ],
  ['phone', '(415) 555-2671', { country: 'US', 'area-code': '415' }, { number: '+14155552671' }, 'US'],
  [
    'phone',
    '+1 415 555 2671 ext. 12',
    { country: 'US', 'area-code': '415' },
    { number: '+14155552671;ext=12' },
  ],
  ['phone', '020 7946 0018', { country: 'GB', 'area-code': '20' }, { number: '+442079460018' }, 'GB'],
  ['phone', '0049 (0)30 901820', { country: 'DE', 'area-code': '30' }, { number: '+4930901820' }, 'NL'],
  ['phone', '０３−３２２４−５０００', { country: 'JP', 'area-code': '3' }, { number: '+81332245000' }, 'JP'],
  ['phone', '(11) 98765-4321', { country: 'BR', 'area-code': '11' }, { number: '+5511987654321' }, 'BR'],
  ['phone', '+52 1 55 5093 3000', { country: 'MX', 'area-code': '55' }, { number: '+525550933000' }],
  // mobiles and countries without areas tell no area, nor do small areas
  ['phone', '06 12345678', { country: 'NL' }, { number: '+31612345678' }, 'NL'],
  ['phone', '+65 6123 4567', { country: 'SG' }, { number: '+6561234567' }],
  ['phone', '+49 4725 8080', { country: 'DE' }, { number: '+4947258080' }],
  // possible, assigned to nobody
  ['phone', '+1 555 555 5555', {}, { number: '+15555555555' }],
  ['email', ' Mary.Jones@Example.ORG ', { address: 'Mary.Jones@example.org' }, {}],
  ['email', 'пушкин@Пример.рф', { address: 'пушкин@пример.рф' }, {}],
  ['text', '  as it came\r\n', {}, { text: '  as it came\r\n' }],
]
