#include "control-plane/apiserver/auth/token_file.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace xpu::apiserver {
namespace {

// The fields of a line of comma-separated values (RFC 4180); nothing if a quote has no end.
std::optional<std::vector<std::string>> Fields(absl::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back().push_back(c);
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back().push_back(c);
    }
  }
  if (quoted) return std::nullopt;
  for (std::string& field : fields) absl::StripAsciiWhitespace(&field);
  return fields;
}

}  // namespace

absl::StatusOr<std::map<std::string, User>> ReadTokens(absl::string_view text) {
  std::map<std::string, User> users;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    const auto bad = [&](absl::string_view why) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": ", why, "; a line is: token,user,uid,\"group,group\""));
    };
    const std::optional<std::vector<std::string>> fields = Fields(line);
    if (!fields) return bad("a quote has no end");
    if (fields->size() < 3 || fields->size() > 4) return bad("it has 3 or 4 fields");
    if ((*fields)[0].empty() || (*fields)[1].empty()) return bad("token and user must not be empty");
    User user{(*fields)[1], (*fields)[2], {}};
    if (fields->size() == 4) user.groups = absl::StrSplit((*fields)[3], ',', absl::SkipWhitespace());
    for (std::string& group : user.groups) absl::StripAsciiWhitespace(&group);
    user.groups.emplace_back(kAuthenticated);
    if (!users.emplace((*fields)[0], std::move(user)).second) return bad("the token is there twice");
  }
  return users;
}

}  // namespace xpu::apiserver
