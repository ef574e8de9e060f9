// Kubernetes' library of URLs: absolute URIs and absolute paths, read as Go's net/url reads them.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/cel/functions.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;

struct Url {
  std::string scheme, host, path, query;  // path as it is escaped; query as it was given
};

class UrlValue : public Opaque {
 public:
  UrlValue(Url url, std::string text) : url_(std::move(url)), text_(std::move(text)) {}
  const TypePtr& type() const override {
    static const TypePtr& type = *new TypePtr(OpaqueType("kubernetes.URL"));
    return type;
  }
  bool Equals(const Opaque& other) const override {
    return text_ == static_cast<const UrlValue&>(other).text_;
  }
  std::string ToString() const override { return text_.substr(0, 200); }
  const Url& url() const { return url_; }

 private:
  Url url_;
  std::string text_;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// What "%41" and the like stand for; nothing for a '%' without two digits.
std::optional<std::string> Unescape(absl::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) return std::nullopt;
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += plus_is_blank && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

bool IsUnreserved(char c) { return absl::ascii_isalnum(c) || absl::StrContains("-_.~", c); }

// The path as it is sent: unchanged if it could be, otherwise escaped anew.
std::optional<std::string> EscapedPath(absl::string_view path) {
  const std::optional<std::string> plain = Unescape(path, false);
  if (!plain) return std::nullopt;
  bool valid = true;
  for (const char c : path) valid = valid && (IsUnreserved(c) || absl::StrContains("!$&'()*+,;=:@[]/%", c));
  if (valid) return std::string(path);
  std::string out;
  for (const char c : *plain) {
    if (IsUnreserved(c) || absl::StrContains("$&+,/:;=@", c)) {
      out += c;
    } else {
      constexpr char kDigits[] = "0123456789ABCDEF";
      const auto octet = static_cast<unsigned char>(c);
      absl::StrAppend(&out, "%", std::string(1, kDigits[octet >> 4]), std::string(1, kDigits[octet & 15]));
    }
  }
  return out;
}

bool IsPort(absl::string_view text) {
  if (text.empty()) return true;
  if (text[0] != ':') return false;
  for (const char c : text.substr(1)) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return true;
}

bool IsHost(absl::string_view host) {
  for (size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '%') {
      // Only what is no ASCII is escaped in a host, and the zone of an address.
      if (i + 2 >= host.size() || HexDigit(host[i + 1]) < 0 || HexDigit(host[i + 2]) < 0) return false;
      if (HexDigit(host[i + 1]) < 8 && host.substr(i, 3) != "%25") return false;
      i += 2;
    } else if (absl::ascii_isascii(c) && !IsUnreserved(c) && !absl::StrContains("!$&'()*+,;=:[]<>\"", c)) {
      return false;
    }
  }
  if (!host.empty() && host[0] == '[') {
    const size_t end = host.rfind(']');
    return end != absl::string_view::npos && IsPort(host.substr(end + 1));
  }
  const size_t colon = host.rfind(':');
  return colon == absl::string_view::npos || IsPort(host.substr(colon));
}

bool IsUserInfo(absl::string_view user) {
  for (const char c : user) {
    if (!absl::ascii_isalnum(c) && !absl::StrContains("-._:~!$&'()*+,;=%@", c)) return false;
  }
  return Unescape(user, false).has_value();
}

// The scheme, and `rest` behind it; nothing for a colon that has none before it.
std::optional<std::string> TakeScheme(absl::string_view* rest) {
  for (size_t i = 0; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    if (c == ':') {
      if (i == 0) return std::nullopt;
      const std::string scheme = absl::AsciiStrToLower(rest->substr(0, i));
      rest->remove_prefix(i + 1);
      return scheme;
    }
    const bool later = i > 0 && (absl::ascii_isdigit(c) || absl::StrContains("+-.", c));
    if (!absl::ascii_isalpha(c) && !later) break;
  }
  return "";
}

std::optional<Url> ReadUrl(absl::string_view text) {
  for (const char c : text) {
    if (absl::ascii_iscntrl(c)) return std::nullopt;
  }
  Url url;
  absl::string_view rest = text.substr(0, text.find('#'));
  if (rest.size() < text.size() && !Unescape(text.substr(rest.size() + 1), false)) return std::nullopt;
  const std::optional<std::string> scheme = TakeScheme(&rest);
  if (!scheme || rest.empty()) return std::nullopt;
  url.scheme = *scheme;
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(rest, absl::MaxSplits('?', 1));
  rest = parts.first;
  url.query = std::string(parts.second);
  if (!absl::StartsWith(rest, "/")) {
    // "mailto:..." has no parts; anything else without a slash is relative.
    if (url.scheme.empty()) return std::nullopt;
    return url;
  }
  if (!url.scheme.empty() && absl::StartsWith(rest, "//") && !absl::StartsWith(rest, "///")) {
    rest.remove_prefix(2);
    const absl::string_view authority = rest.substr(0, rest.find('/'));
    rest.remove_prefix(authority.size());
    const size_t at = authority.rfind('@');
    const bool has_user = at != absl::string_view::npos;
    const absl::string_view host = has_user ? authority.substr(at + 1) : authority;
    if ((has_user && !IsUserInfo(authority.substr(0, at))) || !IsHost(host)) return std::nullopt;
    url.host = *Unescape(host, false);
  }
  const std::optional<std::string> path = EscapedPath(rest);
  if (!path) return std::nullopt;
  url.path = *path;
  return url;
}

bool SpendOnUrl(const Call& call) { return call.budget.SpendOnText(call.text(0).size() * 4); }

Result MakeUrl(const Call& call) {
  if (!SpendOnUrl(call)) return Exhausted();
  std::optional<Url> url = ReadUrl(call.text(0));
  if (!url) {
    return BadArgument(
        absl::StrCat("'", call.text(0).substr(0, 100), "' is neither an absolute URL nor a path"));
  }
  return Value(Value::OpaquePtr(std::make_shared<UrlValue>(*std::move(url), std::string(call.text(0)))));
}

Result IsUrlText(const Call& call) {
  if (!SpendOnUrl(call)) return Exhausted();
  return Value(IsUrl(call.text(0)));
}

const Url& UrlArg(const Call& call) {
  return static_cast<const UrlValue&>(**call.args[0].As<Value::OpaquePtr>()).url();
}

// Where the port begins, with its colon.
size_t EndOfHostname(absl::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  if (colon == absl::string_view::npos) return host.size();
  return bracket != absl::string_view::npos && bracket > colon ? host.size() : colon;
}

Result Hostname(const Call& call) {
  const absl::string_view host = UrlArg(call).host;
  absl::string_view name = host.substr(0, EndOfHostname(host));
  if (absl::StartsWith(name, "[") && absl::EndsWith(name, "]")) name = name.substr(1, name.size() - 2);
  return Value::String(std::string(name));
}

Result Port(const Call& call) {
  const absl::string_view host = UrlArg(call).host;
  const absl::string_view port = host.substr(EndOfHostname(host));
  return Value::String(std::string(port.empty() ? port : port.substr(1)));
}

Result Query(const Call& call) {
  if (!call.budget.SpendOnText(UrlArg(call).query.size() * 4)) return Exhausted();
  std::map<std::string, std::vector<Value>> found;
  for (const absl::string_view part : absl::StrSplit(UrlArg(call).query, '&')) {
    if (part.empty() || absl::StrContains(part, ';')) continue;
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const std::optional<std::string> key = Unescape(pair.first, true);
    const std::optional<std::string> value = Unescape(pair.second, true);
    if (key && value) found[*key].push_back(Value::String(*value));
  }
  std::vector<std::pair<Value, Value>> entries;
  entries.reserve(found.size());
  for (auto& [key, values] : found)
    entries.emplace_back(Value::String(key), Value::OfList(std::move(values)));
  return Value::OfMap(std::move(entries));
}

}  // namespace

bool IsUrl(absl::string_view text) { return ReadUrl(text).has_value(); }

void AddUrls(Library* library) {
  library->Add("url(string) -> URL", MakeUrl);
  library->Add("isURL(string) -> bool", IsUrlText);
  library->Add("URL.getScheme() -> string",
               [](const Call& call) -> Result { return Value::String(UrlArg(call).scheme); });
  library->Add("URL.getHost() -> string",
               [](const Call& call) -> Result { return Value::String(UrlArg(call).host); });
  library->Add("URL.getHostname() -> string", Hostname);
  library->Add("URL.getPort() -> string", Port);
  library->Add("URL.getEscapedPath() -> string",
               [](const Call& call) -> Result { return Value::String(UrlArg(call).path); });
  library->Add("URL.getQuery() -> map(string, list(string))", Query);
}

}  // namespace xpu::cel
