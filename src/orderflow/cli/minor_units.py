"""Prices as people write them, in integer minor units: how many decimals a currency has (ISO 4217)."""

import re

_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
        CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
        GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA
        MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR
        RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD
        TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DECIMALS = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}
"""The decimals of each currency in use that has a minor unit."""

_PRICE = re.compile(r"([0-9]{1,12})(?:[.,]([0-9]+))?")


def minor_units(price: str, currency: str) -> int:
    """The price in the currency's minor unit: 12.5 EUR are 1250, 12 JPY are 12. `.` or `,` stands before the
    decimals, of which there may be fewer than the currency has; nothing is rounded, and nothing may stand
    between thousands. Raises ValueError, which says what is wrong."""
    decimals = DECIMALS.get(currency)
    if decimals is None:
        raise ValueError(f"{currency!r} is no currency of ISO 4217 with a minor unit")
    match = _PRICE.fullmatch(price)
    if match is None:
        raise ValueError(
            f"{price!r} is no price: digits, then . or , and decimals, nothing between thousands"
        )
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise ValueError(f"{price!r} has more decimals than {currency}, which has {decimals}")
    return int(whole) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
