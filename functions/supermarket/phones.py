"""Phone numbers: normalises what people write to E.164, such as `+918041123456`."""

HOME = "IN"  # of numbers without a country code, where no address names another country


def normalise_phone(text: str, country: str = HOME) -> str | None:
    """Return a phone number in E.164, or None when it is no number. `country` is the ISO code of
    numbers without a country code.
    """
    # imported here: it takes 0.06 s of a desktop's time, and most requests have no phone number
    from phonenumbers import (
        NumberParseException,
        PhoneNumberFormat,
        format_number,
        is_valid_number,
        parse,
    )

    if any(map(str.isalpha, text)):
        return None  # the library reads letters as the keys that they stand on
    try:
        number = parse(text, country)
    except NumberParseException:
        return None
    return format_number(number, PhoneNumberFormat.E164) if is_valid_number(number) else None
