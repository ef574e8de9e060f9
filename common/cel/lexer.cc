#include "common/cel/lexer.h"

#include <charconv>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/text.h"
#include "common/cel/type.h"

namespace xpu::cel {
namespace {

// Longest first.
constexpr absl::string_view kSymbols[] = {"&&", "||", "==", "!=", "<=", ">=", ".?", "[?", "<",
                                          ">",  "(",  ")",  "[",  "]",  "{",  "}",  ".",  ",",
                                          "?",  ":",  "+",  "-",  "*",  "/",  "%",  "!"};

bool IsIdentStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsIdentPart(char c) { return absl::ascii_isalnum(c) || c == '_'; }

class Lexer {
 public:
  explicit Lexer(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Token>> All() {
    std::vector<Token> tokens;
    while (true) {
      SkipBlanks();
      Token token;
      token.position = at_;
      if (at_ == text_.size()) {
        tokens.push_back(std::move(token));
        return tokens;
      }
      XPU_RETURN_IF_ERROR(Next(&token));
      tokens.push_back(std::move(token));
    }
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  absl::Status Bad(absl::string_view message) const { return ErrorAt(text_, at_, message); }

  void SkipBlanks() {
    while (at_ < text_.size()) {
      if (absl::StrContains(" \t\n\f\r", Peek())) {
        ++at_;
      } else if (Peek() == '/' && Peek(1) == '/') {
        while (at_ < text_.size() && Peek() != '\n' && Peek() != '\r') ++at_;
      } else {
        return;
      }
    }
  }

  absl::Status Next(Token* token) {
    const char c = Peek();
    if (absl::ascii_isdigit(c) || (c == '.' && absl::ascii_isdigit(Peek(1)))) return Number(token);
    if (const size_t prefix = LiteralPrefix()) return Literal(prefix, token);
    if (c == '"' || c == '\'') return Literal(0, token);
    if (IsIdentStart(c)) {
      const size_t begin = at_;
      while (IsIdentPart(Peek())) ++at_;
      token->text = std::string(text_.substr(begin, at_ - begin));
      token->kind = IsReservedWord(token->text) ? Token::Kind::kReserved : Token::Kind::kIdent;
      return absl::OkStatus();
    }
    for (const absl::string_view symbol : kSymbols) {
      if (!absl::StartsWith(text_.substr(at_), symbol)) continue;
      token->kind = Token::Kind::kSymbol;
      token->text = std::string(symbol);
      at_ += symbol.size();
      return absl::OkStatus();
    }
    if (c == '=') return Bad("a single '=' is no operator: write == to compare");
    if (c == '&' || c == '|') return Bad("a single '&' or '|' is no operator: write && or ||");
    if (c == '`') return Bad("names in backquotes are not supported: escape the name, such as a__dash__b");
    return Bad(absl::StrCat("'", absl::string_view(&text_[at_], CodePointLength(text_, at_)),
                            "' has no place in an expression"));
  }

  // INT_LIT, UINT_LIT, FLOAT_LIT.
  absl::Status Number(Token* token) {
    const size_t begin = at_;
    if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X') && absl::ascii_isxdigit(Peek(2))) {
      at_ += 2;
      while (absl::ascii_isxdigit(Peek())) ++at_;
      return Integer(text_.substr(begin + 2, at_ - begin - 2), 16, token);
    }
    while (absl::ascii_isdigit(Peek())) ++at_;
    bool is_double = false;
    if (Peek() == '.' && absl::ascii_isdigit(Peek(1))) {
      is_double = true;
      ++at_;
      while (absl::ascii_isdigit(Peek())) ++at_;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      const size_t digits = Peek(1) == '+' || Peek(1) == '-' ? 2 : 1;
      if (absl::ascii_isdigit(Peek(digits))) {
        is_double = true;
        at_ += digits;
        while (absl::ascii_isdigit(Peek())) ++at_;
      }
    }
    const absl::string_view digits = text_.substr(begin, at_ - begin);
    if (!is_double) return Integer(digits, 10, token);
    token->kind = Token::Kind::kDouble;
    token->text = std::string(digits);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), token->real);
    if (read.ec != std::errc()) return ErrorAt(text_, begin, "the number does not fit into a double");
    return Ended();
  }

  absl::Status Integer(absl::string_view digits, int base, Token* token) {
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), token->number, base);
    if (read.ec != std::errc())
      return ErrorAt(text_, token->position, "the number does not fit into 64 bits");
    token->text = std::string(digits);
    token->kind = Token::Kind::kInt;
    if (Peek() == 'u' || Peek() == 'U') {
      token->kind = Token::Kind::kUint;
      ++at_;
    }
    return Ended();
  }

  absl::Status Ended() const {
    if (IsIdentPart(Peek())) return Bad("a number ends in letters here: put a blank or an operator between");
    return absl::OkStatus();
  }

  // Octets before the quote: r, b, rb or br in either case; 0 if no literal with a prefix begins here.
  size_t LiteralPrefix() const {
    const auto is = [&](size_t ahead, char letter) { return absl::ascii_tolower(Peek(ahead)) == letter; };
    size_t length = 0;
    if ((is(0, 'r') && is(1, 'b')) || (is(0, 'b') && is(1, 'r'))) {
      length = 2;
    } else if (is(0, 'r') || is(0, 'b')) {
      length = 1;
    }
    const bool quoted = Peek(length) == '"' || Peek(length) == '\'';
    return length > 0 && quoted ? length : 0;
  }

  absl::Status Literal(size_t prefix, Token* token) {
    bool raw = false, bytes = false;
    for (; prefix > 0; --prefix, ++at_) {
      raw = raw || absl::ascii_tolower(Peek()) == 'r';
      bytes = bytes || absl::ascii_tolower(Peek()) == 'b';
    }
    token->kind = bytes ? Token::Kind::kBytes : Token::Kind::kString;
    const std::string one(1, Peek());
    const std::string three(3, Peek());
    const bool is_long = absl::StartsWith(text_.substr(at_), three);
    const std::string& quote = is_long ? three : one;
    at_ += quote.size();
    while (!absl::StartsWith(text_.substr(at_), quote)) {
      const char c = Peek();
      if (at_ == text_.size() || (!is_long && (c == '\n' || c == '\r'))) {
        return ErrorAt(text_, token->position,
                       absl::StrCat("the string is not closed: ", quote, " is missing",
                                    is_long ? "" : " before the end of the line"));
      }
      if (c == '\\' && !raw) {
        XPU_RETURN_IF_ERROR(Escape(bytes, &token->text));
      } else {
        token->text.push_back(c);
        ++at_;
      }
    }
    at_ += quote.size();
    if (!bytes && !IsUtf8(token->text)) return ErrorAt(text_, token->position, "the string is not UTF-8");
    return absl::OkStatus();
  }

  // At a backslash.
  absl::Status Escape(bool bytes, std::string* out) {
    static constexpr absl::string_view kLetters = "abfnrtv\\?\"'`";
    static constexpr absl::string_view kMeanings = "\a\b\f\n\r\t\v\\?\"'`";
    const char c = Peek(1);
    if (const size_t which = kLetters.find(c); c != '\0' && which != absl::string_view::npos) {
      out->push_back(kMeanings[which]);
      at_ += 2;
      return absl::OkStatus();
    }
    size_t digits = 0;
    int base = 16;
    size_t skip = 2;
    switch (c) {
      case 'x':
      case 'X':
        digits = 2;
        break;
      case 'u':
        digits = 4;
        break;
      case 'U':
        digits = 8;
        break;
      default:
        if (c >= '0' && c <= '3') {
          digits = 3;
          base = 8;
          skip = 1;
        }
    }
    if (digits == 0) return Bad("there is no such escape; a backslash itself is written \\\\, or use r'...'");
    if (bytes && (c == 'u' || c == 'U'))
      return Bad("\\u and \\U have no place in bytes: write octets as \\x00");
    const absl::string_view number = text_.substr(at_ + skip, digits);
    uint32_t value = 0;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), value, base);
    if (number.size() < digits || read.ec != std::errc() || read.ptr != number.data() + digits) {
      return Bad(
          absl::StrCat("the escape needs ", digits, base == 16 ? " hexadecimal" : " octal", " digits"));
    }
    if (bytes) {
      out->push_back(static_cast<char>(value));
    } else if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
      return Bad("the escape is no code point of Unicode");
    } else {
      AppendCodePoint(value, out);
    }
    at_ += skip + digits;
    return absl::OkStatus();
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string PositionText(absl::string_view text, size_t octet) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i < octet && i < text.size(); i += CodePointLength(text, i)) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return absl::StrCat(line, ":", column);
}

absl::Status ErrorAt(absl::string_view text, size_t octet, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("at ", PositionText(text, octet), ": ", message));
}

absl::StatusOr<std::vector<Token>> Lex(absl::string_view text) { return Lexer(text).All(); }

}  // namespace xpu::cel
