"""Identifiers of single countries, as data: shape, check digits, context.

Wherever shape and digits alone are too common, a word must stand before. docs/accuracy-pii.md
has the figures.
"""

# ruff: noqa: E501 - one rule a line reads as a table

from ext_proc.detectors import national_checks as check
from ext_proc.detectors.checksums import luhn, stdnum
from ext_proc.detectors.rules import LEFT, RIGHT, Check, Rule

_DATE6 = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"  # yymmdd
_DDMMYY = r"(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}"
_PLATE = r"plate|vehicle|registration|car\b|reg\.|licen[cs]e|kennzeichen|kfz|plaka|immatric"
_PASSPORT = r"passport|pasaporte|passaporto|reisepass|pass(?:nummer|-nr)|travel document|\xec\xec"


def _rule(
    entity: str, core: str, verify: Check | None = None, context: str = "", score: float = 0.8
) -> Rule:
    return Rule(entity, core, LEFT, RIGHT, verify, context, score=score)


RULES: tuple[Rule, ...] = (
    # United Kingdom
    _rule("UKNHS", r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}", stdnum("gb.nhs"), r"nhs|national health|patient|health service"),
    _rule("UKNINO", r"(?i:[abceghj-prstw-z][abceghj-nprstw-z]) ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?(?i:[a-d])", check.nino),
    _rule("UKNINO", r"(?i:[abceghj-prstw-z][abceghj-nprstw-z]) ?[0-9]{3} ?[0-9]{3} ?(?i:[a-d])", check.nino),
    _rule("UKDriverLicense", r"(?i:[a-z9]{5}) ?[0-9]{3} ?[0-9]{3} ?(?i:[a-z9]{2}[0-9][a-z0-9][a-z])(?: ?[0-9]{2})?", check.dvla),
    _rule("UKPassport", r"(?i:[a-z]{2})[0-9]{7}", None, _PASSPORT),
    _rule("UKPostcode", r"(?:GIR 0AA|[A-PR-UWYZ](?:[0-9]{1,2}|[A-HK-Y][0-9]{1,2}|[0-9][A-HJKPSTUW]|[A-HK-Y][0-9][ABEHMNPRV-Y]) [0-9][ABD-HJLNP-UW-Z]{2})", score=0.6),
    _rule("UKVehicleRegistration", r"[A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[1-7][0-9]) ?[A-HJ-PR-Z]{3}", score=0.6),
    _rule("UKVehicleRegistration", r"(?i:[a-hj-pr-y][a-hj-pr-y](?:0[1-9]|[1-7][0-9]) ?[a-hj-pr-z]{3}|[a-z][0-9]{1,3} ?[a-z]{3}|[a-z]{3} ?[0-9]{1,3}[a-hj-npr-tv-y])", None, _PLATE, 0.6),
    _rule("UKUTR", r"[0-9]{5} ?[0-9]{5}", None, r"utr\b|unique taxpayer|self.assessment"),
    _rule("UKVAT", r"GB ?[0-9]{3} ?[0-9]{4} ?[0-9]{2}(?: ?[0-9]{3})?", stdnum("gb.vat")),
    # Canada
    _rule("CanadaSIN", r"[1-79][0-9]{2}[ \-][0-9]{3}[ \-][0-9]{3}", luhn),
    _rule("CanadaSIN", r"[1-79][0-9]{8}", luhn, r"\bsin\b|social insurance|assurance sociale|\bnas\b"),
    _rule("CanadaBN", r"[0-9]{5} ?[0-9]{4} ?R[A-Z] ?[0-9]{4}", stdnum("ca.bn")),
    # Australia, New Zealand
    _rule("AustraliaTFN", r"[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", stdnum("au.tfn"), r"tfn|tax file"),
    _rule("AustraliaABN", r"[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}", stdnum("au.abn")),
    _rule("AustraliaABN", r"[0-9]{11}", stdnum("au.abn"), r"abn\b|australian business|business number"),
    _rule("AustraliaACN", r"[0-9]{3} ?[0-9]{3} ?[0-9]{3}", stdnum("au.acn"), r"acn\b|australian company|company number"),
    _rule("AustraliaMedicare", r"[2-6][0-9]{3} [0-9]{5} [0-9]", check.medicare),
    _rule("AustraliaMedicare", r"[2-6][0-9]{9}", check.medicare, r"medicare"),
    _rule("NewZealandIRD", r"[0-9]{2,3}-?[0-9]{3}-?[0-9]{3}", stdnum("nz.ird"), r"ird\b|inland revenue"),
    # India
    _rule("IndiaAadhaar", r"[2-9][0-9]{3}[ \-][0-9]{4}[ \-][0-9]{4}", check.aadhaar),
    _rule("IndiaAadhaar", r"[2-9][0-9]{11}", check.aadhaar, r"aadha|uidai|uid\b"),
    _rule("IndiaPAN", r"(?i:[a-z]{3}[abcfghjlpt][a-z])[0-9]{4}(?i:[a-z])", None),
    _rule("IndiaPAN", r"(?i:[a-z]{5})[0-9]{4}(?i:[a-z])", None, r"pan\b|permanent account"),
    _rule("IndiaGSTIN", r"(?:0[1-9]|[12][0-9]|3[0-7])[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]"),
    _rule("IndiaVoter", r"(?i:[a-z]{3})[0-9]{7}", stdnum("in_.epic")),
    _rule("IndiaVoter", r"(?i:[a-z]{3})[0-9]{7}", None, r"vote|epic\b|election"),
    _rule("IndiaPassport", r"(?i:[a-z])[1-9][0-9]{6}", None, _PASSPORT),
    _rule("IndiaVehicleRegistration", r"(?:AN|AP|AR|AS|BH|BR|CG|CH|DD|DL|GA|GJ|HP|HR|JH|JK|KA|KL|LA|LD|MH|ML|MN|MP|MZ|NL|OD|OR|PB|PY|RJ|SK|TN|TR|TS|UK|UP|WB)[ \-]?[0-9]{1,2}[ \-]?[A-Z]{1,3}[ \-]?[0-9]{4}"),
    # Germany, Austria, Switzerland
    _rule("GermanyTaxID", r"[1-9][0-9]{10}", check.german_tax, r"steuer|idnr|tax|tin\b|identifikation"),
    _rule("GermanyTaxID", r"[1-9][0-9] [0-9]{3} [0-9]{3} [0-9]{3}", stdnum("de.idnr")),
    _rule("GermanyTaxNumber", r"(?:[0-9]{2,3}/[0-9]{3}/[0-9]{4,5}|[0-9]{3}/[0-9]{4}/[0-9]{4})", None),
    _rule("GermanyTaxNumber", r"(?:[0-9]{10,13}|[0-9]{2,3} [0-9]{3} [0-9]{4,5})", None, r"steuernummer|st\.?-?nr"),
    _rule("GermanyTaxNumber", r"(?:0[1-9]|1[0-6]|2[1-8]|3[0-2]|4[01]|5[1-9])[0-9]{2}0[0-9]{8}", None, score=0.5),
    _rule("GermanyVAT", r"(?i:de)[ \-]?[0-9]{3}[ \-.]?[0-9]{3}[ \-.]?[0-9]{3}", check.german_vat),
    _rule("GermanyPassport", r"(?i:[cfghjk][cfghjklmnprtvwxyz0-9]{7})[0-9][0-9]?", check.icao_german, score=0.7),
    _rule("GermanyIDCard", r"(?:[LMNPRTVWXY](?i:[cfghjklmnprtvwxyz0-9]{7})[0-9][0-9]?)", check.icao_german, score=0.7),
    _rule("GermanyIDCard", r"(?i:[cfghjklmnprtvwxyzt][cfghjklmnprtvwxyz0-9]{8})", None, r"ausweis|id.?card|personalausweis"),
    _rule("GermanySocialSecurity", r"[0-9]{2}(?:[0-2][0-9]|3[01]|[5-8][0-9])(?:0[1-9]|1[0-2])[0-9]{2}[A-Z][0-9]{3}", check.german_pension),
    _rule("GermanyHealthInsurance", r"[A-Z][0-9]{9}", check.german_health),
    _rule("GermanyDriverLicense", r"(?i:[a-z]{2})[0-9]{8}(?i:[a-z0-9])", check.mixed, r"f[u\xe1]e?hrerschein|driv|licen[cs]e"),
    _rule("GermanyVehicleRegistration", r"(?:[A-Z\xe1]{1,3}-[A-Z]{1,2}[ \-]?[1-9][0-9]{0,3}[EH]?|[A-Z\xe1]{1,3} [A-Z]{1,2} [1-9][0-9]{0,3}[EH]?)", None, _PLATE, 0.6),
    _rule("GermanyCommercialRegister", r"HR[AB] ?[0-9]{3,6}(?: ?[A-Z]{1,2})?", score=0.7),
    _rule("AustriaSSN", r"[1-9][0-9]{3} (?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}", stdnum("at.vnr")),
    _rule("SwissAHV", r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}", stdnum("ch.ssn")),
    _rule("SwissUID", r"CHE[\- ]?[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}(?: ?(?:MWST|TVA|IVA|TPV))?", stdnum("ch.vat", "ch.uid")),
    # Spain, Portugal, Italy, France, Benelux, Ireland
    _rule("SpainNIF", r"[0-9]{7,8}[ \-]?(?i:[trwagmyfpdxbnjzsqvhlcke])", check.spain),
    _rule("SpainNIF", r"(?i:[abcdefghjnpqrsuvwklm])[ \-]?[0-9]{7}[ \-]?(?i:[0-9a-j])", stdnum("es.cif", "es.nif")),
    _rule("SpainNIE", r"(?i:[xyz])[ \-]?[0-9]{7}[ \-]?(?i:[a-z])", stdnum("es.nie")),
    _rule("SpainPassport", r"(?i:[a-z]{3})[0-9]{6}", None, _PASSPORT),
    _rule("ItalyFiscalCode", r"(?i:[a-z]{6}[0-9lmnpqrstuv]{2}[abcdehlmprst][0-9lmnpqrstuv]{2}[a-z][0-9lmnpqrstuv]{3}[a-z])", check.codice_fiscale),
    _rule("ItalyVAT", r"(?:IT)?[0-9]{11}", stdnum("it.iva"), r"iva\b|vat\b|partita"),
    _rule("ItalyPassport", r"(?i:[a-z]{2})[0-9]{7}", None, _PASSPORT),
    _rule("ItalyDriverLicense", r"U1(?i:[bcdfghlmnprstvwyxza-z0-9]{7})(?i:[a-z])", check.mixed, score=0.7),
    _rule("ItalyIdentityCard", r"(?i:[a-z]{2}[0-9]{7}|[0-9]{7}[a-z]{2}|c[a-z][0-9]{5}[a-z]{2})", None, r"carta|identit|documento|cie\b"),
    _rule("FranceNIR", r"[12][0-9]{2}(?:0[1-9]|1[0-2]|[2-9][0-9])(?:[0-9]{2}|2[AB])[0-9]{3}[0-9]{3}[0-9]{2}", stdnum("fr.nir")),
    _rule("FranceNIR", r"[12] [0-9]{2} [0-9]{2} (?:[0-9]{2}|2[AB]) [0-9]{3} [0-9]{3} [0-9]{2}", stdnum("fr.nir")),
    _rule("FranceNIF", r"[0-3][0-9] ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", stdnum("fr.nif")),
    _rule("BelgiumNN", r"[0-9]{2}[ .][0-9]{2}[ .][0-9]{2}[ .\-][0-9]{3}[ .][0-9]{2}", stdnum("be.nn", "be.bis")),
    _rule("BelgiumNN", r"[0-9]{11}", stdnum("be.nn", "be.bis"), r"rijksregister|national|niss|registre|insz"),
    _rule("NetherlandsBSN", r"[0-9]{4}\.?[0-9]{2}\.?[0-9]{3}", stdnum("nl.bsn"), r"bsn\b|burgerservice|sofi"),
    _rule("NetherlandsBSN", r"[0-9]{4}\.[0-9]{2}\.[0-9]{3}", stdnum("nl.bsn")),
    _rule("NetherlandsVAT", r"NL ?[0-9]{9}B[0-9]{2}", stdnum("nl.btw")),
    _rule("IrelandPPS", r"[0-9]{7}[A-W][A-IW]?", stdnum("ie.pps")),
    _rule("PortugalNIF", r"[1235689][0-9]{2} ?[0-9]{3} ?[0-9]{3}", stdnum("pt.nif"), r"nif\b|contribuinte"),
    _rule("EUVAT", r"(?:AT|BE|BG|CY|CZ|DK|EE|EL|ES|FI|FR|GR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK) ?[0-9A-Z][0-9]{6,11}[0-9A-Z]{0,2}", stdnum("eu.vat")),
    # Nordic and Baltic countries
    _rule("FinlandHETU", r"[0-3][0-9][01][0-9]{3}[\-+A-FU-Ya-fu-y][0-9]{3}[0-9A-Ya-y]", check.hetu),
    _rule("SwedenPersonnummer", rf"(?:19|20)?{_DATE6}[\-+][0-9]{{4}}", check.personnummer),
    _rule("SwedenPersonnummer", rf"(?:19|20){_DATE6}[0-9]{{4}}", check.personnummer),
    _rule("SwedenOrganisationNumber", r"[125-9][0-9][2-9][0-9]{3}-[0-9]{4}", luhn),
    _rule("SwedenOrganisationNumber", r"[125-9][0-9][2-9][0-9]{7}", luhn, r"org|company|bolag"),
    _rule("SwedenVAT", r"SE ?[0-9]{10}01", stdnum("se.vat")),
    _rule("DenmarkCPR", rf"{_DDMMYY}-[0-9]{{4}}", stdnum("dk.cpr")),
    _rule("NorwayFodselsnummer", r"[0-7][0-9][0-8][0-9]{3} ?[0-9]{5}", stdnum("no.fodselsnummer")),
    _rule("NorwayOrganisationNumber", r"[89][0-9]{2} ?[0-9]{3} ?[0-9]{3}", stdnum("no.orgnr"), r"org"),
    _rule("NorwayOrganisationNumber", r"[89][0-9]{2} [0-9]{3} [0-9]{3}", stdnum("no.orgnr"), score=0.6),
    _rule("IcelandKennitala", r"[0-7][0-9][01][0-9]{3}-[0-9]{4}", stdnum("is_.kennitala")),
    _rule("BalticPersonalCode", rf"[1-6]{_DATE6}[0-9]{{4}}", stdnum("ee.ik", "lt.asmens")),
    # Eastern Europe
    _rule("PolandPESEL", r"[0-9]{2}[0-389][0-9][0-3][0-9]{6}", stdnum("pl.pesel")),
    _rule("PolandNIP", r"[0-9]{3}-[0-9]{3}-[0-9]{2}-[0-9]{2}", stdnum("pl.nip")),
    _rule("PolandREGON", r"[0-9]{9}(?:[0-9]{5})?", stdnum("pl.regon"), r"regon"),
    _rule("CzechBirthNumber", r"[0-9]{2}[0156][0-9][0-3][0-9]/[0-9]{3,4}", stdnum("cz.rc")),
    _rule("RomaniaCNP", rf"[1-8]{_DATE6}[0-9]{{6}}", stdnum("ro.cnp")),
    _rule("BulgariaEGN", r"[0-9]{2}[0-5][0-9][0-3][0-9]{5}", stdnum("bg.egn"), r"egn\b|citizen|bulgar|\xe1{3}"),
    _rule("CroatiaOIB", r"(?:HR ?)?[0-9]{11}", stdnum("hr.oib"), r"oib\b"),
    _rule("CroatiaOIB", r"HR ?[0-9]{11}", stdnum("hr.oib")),
    _rule("BalkanJMBG", r"(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[09][0-9]{2}[0-9]{6}", stdnum("si.emso")),
    _rule("MoldovaIDNO", r"[012][0-9]{12}", stdnum("md.idno"), r"idn[op]"),
    _rule("RussiaINN", r"[0-9]{10}(?:[0-9]{2})?", stdnum("ru.inn"), r"inn\b|\xe1\xe1\xe1\b"),
    _rule("RussiaOGRN", r"[135][0-9]{12}(?:[0-9]{2})?", stdnum("ru.ogrn"), r"ogrn|\xe1{4}"),
    _rule("UkraineRNTRC", r"[0-9]{10}", stdnum("ua.rntrc"), r"rntrc|ipn\b|tax"),
    # Asia
    _rule("SingaporeNRIC", r"(?i:[stfgm])[0-9]{7}(?i:[a-z])", check.nric),
    _rule("SingaporeUEN", r"(?:[0-9]{8,9}[A-Z]|[ST][0-9]{2}[A-Z]{2}[0-9]{4}[A-Z])", stdnum("sg.uen")),
    _rule("KoreaRRN", rf"{_DATE6}-?[1-4][0-9]{{6}}", check.korean),
    _rule("KoreaFRN", rf"{_DATE6}-?[5-8][0-9]{{6}}", check.korean),
    _rule("KoreaBRN", r"[0-9]{3} ?- ?[0-9]{2} ?- ?[0-9]{5}", stdnum("kr.brn")),
    _rule("KoreaPassport", r"(?i:[msrodg])[0-9]{3}(?i:[a-z])[0-9]{4}", score=0.7),
    _rule("KoreaPassport", r"(?i:[msrodg])[0-9]{8}", None, _PASSPORT),
    _rule("KoreaDriverLicense", r"(?:1[1-9]|2[0-68])-[0-9]{2}-[0-9]{6}-[0-9]{2}"),
    _rule("ChinaRIC", r"[1-8][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]", stdnum("cn.ric")),
    _rule("ThailandNationalID", r"[1-8]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]", stdnum("th.pin", "th.tin")),
    _rule("ThailandNationalID", r"[1-8][0-9]{12}", check.thai),
    _rule("PakistanCNIC", r"[1-7][0-9]{4}-[0-9]{7}-[0-9]", stdnum("pk.cnic")),
    _rule("IndonesiaNPWP", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}\.[0-9]-[0-9]{3}\.[0-9]{3}"),
    _rule("JapanMyNumber", r"[0-9]{4} [0-9]{4} [0-9]{4}", stdnum("jp.in_")),
    _rule("JapanMyNumber", r"[0-9]{12}", stdnum("jp.in_"), r"my number|mynumber|\xe2\xe2\xe2\xe2"),
    _rule("TaiwanNationalID", r"[A-Z][1289][0-9]{8}", check.taiwan),
    _rule("HongKongID", r"[A-Z]{1,2}[0-9]{6}[(][0-9A][)]", score=0.85),
    _rule("PhilippinesMobile", r"(?:\+63[ \-]?|0)9[0-9]{2}[ \-]?[0-9]{3}[ \-]?[0-9]{4}"),
    _rule("PhilippinesTIN", r"[0-9]{3}-[0-9]{3}-[0-9]{3}-[0-9]{3,5}"),
    _rule("MalaysiaNRIC", rf"{_DATE6}-[0-9]{{2}}-[0-9]{{4}}", stdnum("my.nric")),
    _rule("VietnamMST", r"[0-9]{10}(?:-[0-9]{3})?", stdnum("vn.mst"), r"mst\b|tax"),
    # Middle East, Turkey, Africa
    _rule("TurkeyNationalID", r"[1-9][0-9]{9}[02468]", stdnum("tr.tckimlik")),
    _rule("TurkeyPhone", r"(?:\+?90[ \-]?|0[ \-]?)?[(]?[2-5][0-9]{2}[)]?[ \-][0-9]{3}[ \-]?[0-9]{2}[ \-]?[0-9]{2}", score=0.6),
    _rule("TurkeyPhone", r"(?:\+?90|0)[ \-]?[(]?[2-5][0-9]{2}[)]?[ \-]?[0-9]{3}[ \-]?[0-9]{2}[ \-]?[0-9]{2}", score=0.6),
    _rule("TurkeyVehicleRegistration", r"(?:0[1-9]|[1-7][0-9]|8[01]) (?:[A-PR-VYZ] [0-9]{4,5}|[A-PR-VYZ]{2} [0-9]{3,4}|[A-PR-VYZ]{3} [0-9]{2,4})", score=0.6),
    _rule("IsraelID", r"[0-9]{7,8}-[0-9]|[0-9]{9}", stdnum("il.idnr"), r"teudat|zehut|israel|id\b"),
    _rule("IsraelID", r"[0-9]{7,8}-[0-9]", stdnum("il.idnr"), score=0.6),
    _rule("SouthAfricaID", rf"{_DATE6}[0-9]{{4}}[012][0-9]{{2}}", luhn),
    _rule("NigeriaNIN", r"[0-9]{11}", check.verhoeff, r"nin\b|national identi"),
    _rule("NigeriaVehicleRegistration", r"[A-Z]{3}[ \-]?[0-9]{3}[A-HJ-NP-Z]{2}"),
    _rule("KenyaPIN", r"[AP]0[0-9]{8}[A-Z]", stdnum("ke.pin")),
    _rule("GhanaTIN", r"[CGPQV]00[0-9A-Z][0-9]{7}", stdnum("gh.tin")),
    _rule("MauritiusNID", r"[A-Z][0-9]{12}[0-9A-Z]", stdnum("mu.nid")),
    # Latin America
    _rule("BrazilCPF", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", stdnum("br.cpf")),
    _rule("BrazilCPF", r"[0-9]{11}", stdnum("br.cpf"), r"cpf"),
    _rule("BrazilCNPJ", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}", stdnum("br.cnpj")),
    _rule("MexicoCURP", r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]", stdnum("mx.curp")),
    _rule("MexicoRFC", r"[A-Z&\xe1]{3,4}[ \-]?[0-9]{6}[ \-]?[A-Z0-9]{3}", stdnum("mx.rfc")),
    _rule("ChileRUT", r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]", stdnum("cl.rut")),
    _rule("ArgentinaCUIT", r"[23][0-9]-[0-9]{8}-[0-9]", stdnum("ar.cuit")),
    _rule("ArgentinaDNI", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}", stdnum("ar.dni"), r"dni\b|documento"),
    _rule("ColombiaNIT", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]", stdnum("co.nit")),
    _rule("CostaRicaCPF", r"[1-9]-[0-9]{4}-[0-9]{4}", stdnum("cr.cpf")),
    _rule("DominicanCedula", r"[0-9]{3}-[0-9]{7}-[0-9]", stdnum("do.cedula")),
    _rule("PeruRUC", r"(?:10|15|17|20)[0-9]{9}", stdnum("pe.ruc")),
    _rule("ElSalvadorNIT", r"[0-9]{4}-[0-9]{6}-[0-9]{3}-[0-9]", stdnum("sv.nit")),
    _rule("VenezuelaRIF", r"[VEJPG]-?[0-9]{8}-?[0-9]", stdnum("ve.rif")),
)  # fmt: skip

# Not among what a policy gets when it lists nothing: plates and postcodes, company numbers, shapes that
# everyday codes share.
OPTIONAL = frozenset({
    "UKPostcode", "UKVehicleRegistration", "UKPassport", "UKVAT", "CanadaBN", "AustraliaABN", "AustraliaACN",
    "IndiaGSTIN", "IndiaVehicleRegistration", "GermanyTaxNumber", "GermanyVAT", "GermanyVehicleRegistration",
    "GermanyCommercialRegister", "GermanyPassport", "GermanyIDCard", "SwissUID", "ItalyVAT", "ItalyIdentityCard",
    "NetherlandsVAT", "EUVAT", "SwedenOrganisationNumber", "SwedenVAT", "NorwayOrganisationNumber", "PolandREGON",
    "RussiaOGRN", "SingaporeUEN", "KoreaBRN", "PhilippinesTIN", "TurkeyPhone", "PhilippinesMobile",
    "TurkeyVehicleRegistration", "NigeriaVehicleRegistration", "FranceNIF", "JapanMyNumber", "IsraelID",
    "BrazilCNPJ", "CostaRicaCPF", "MexicoRFC", "VietnamMST", "MoldovaIDNO",
})  # fmt: skip
