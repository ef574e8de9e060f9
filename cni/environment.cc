#include "cni/environment.h"

#include <cstdint>

namespace xpu {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Section 2: begins with a letter or digit, then also "_", "." and "-".
const char* ContainerIdError(std::string_view id) {
  if (!IsAlphanumeric(id.front())) return "must begin with a letter or a digit";
  for (char c : id) {
    if (!IsAlphanumeric(c) && c != '_' && c != '.' && c != '-') {
      return "may have letters, digits, '_', '.' and '-' only";
    }
  }
  return nullptr;
}

// What dev_valid_name() of the kernel takes.
const char* InterfaceNameError(std::string_view name) {
  if (name.size() > 15) return "must have 15 bytes at most";
  if (name == "." || name == "..") return "must not be '.' or '..'";
  for (char c : name) {
    if (c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r')) {
      return "must not have '/', ':' or white space";
    }
  }
  return nullptr;
}

const char* NamespacePathError(std::string_view path) {
  return path.front() == '/' ? nullptr : "must be an absolute path";
}

struct Command {
  std::string_view name;
  CniCommand command;
  // It is about one interface of one container.
  bool of_an_interface;
  bool netns_required;
};
constexpr Command kCommands[] = {
    {"ADD", CniCommand::kAdd, true, true},
    // DEL must work when the namespace has gone, and then it may not be named either.
    {"DEL", CniCommand::kDel, true, false},
    {"CHECK", CniCommand::kCheck, true, true},
    {"GC", CniCommand::kGc, false, false},
    {"STATUS", CniCommand::kStatus, false, false},
    {"VERSION", CniCommand::kVersion, false, false},
};

// Reads variables and gathers what is wrong with them.
class Reader {
 public:
  explicit Reader(const GetVariable& get) : get_(get) {}

  std::string_view Read(const char* name, bool required, const char* (*error)(std::string_view) = nullptr) {
    const char* value = get_(name);
    const std::string_view text = value == nullptr ? std::string_view() : std::string_view(value);
    if (text.empty()) {
      if (required) Complain(name, "is missing");
    } else if (!IsUtf8(text)) {
      Complain(name, "is not UTF-8");
    } else if (const char* why = error == nullptr ? nullptr : error(text)) {
      Complain(name, why);
    }
    return text;
  }
  void Complain(const char* name, const char* why) {
    if (!names_.empty()) {
      names_ += ", ";
      details_ += "; ";
    }
    names_ += name;
    details_.append(name).append(" ").append(why);
  }
  bool ok() const { return names_.empty(); }
  CniFailure failure() const {
    return {kCniInvalidEnvironment, "missing or invalid environment variables: " + names_, details_};
  }

 private:
  const GetVariable& get_;
  std::string names_;
  std::string details_;
};

}  // namespace

Outcome<CniEnvironment> ReadCniEnvironment(const GetVariable& get) {
  Reader reader(get);
  CniEnvironment environment;
  const std::string_view name = reader.Read("CNI_COMMAND", /*required=*/true);
  const Command* command = nullptr;
  for (const Command& known : kCommands) {
    if (known.name == name) command = &known;
  }
  if (command == nullptr) {
    if (!name.empty()) {
      reader.Complain("CNI_COMMAND",
                      "is none of the commands of this plugin: ADD, DEL, CHECK, GC, STATUS, VERSION");
    }
    // What is wrong beside it is told as if it were the one that asks least of those about an interface.
    command = &kCommands[1];
  }
  environment.command = command->command;
  if (environment.command == CniCommand::kVersion) {
    if (!reader.ok()) return reader.failure();
    return environment;
  }
  environment.host_agent = reader.Read("XPU_HOST_AGENT", /*required=*/false);
  environment.container_id = reader.Read("CNI_CONTAINERID", command->of_an_interface, &ContainerIdError);
  environment.netns = reader.Read("CNI_NETNS", command->netns_required, &NamespacePathError);
  environment.ifname = reader.Read("CNI_IFNAME", command->of_an_interface, &InterfaceNameError);
  environment.args = reader.Read("CNI_ARGS", /*required=*/false);
  environment.path = reader.Read("CNI_PATH", /*required=*/false);
  if (!reader.ok()) return reader.failure();
  return environment;
}

bool IsUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    if (lead < 0x80) continue;
    // How many bytes follow, and the range of the first of them, which excludes overlong forms, surrogates
    // and what is above U+10FFFF.
    int more = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    for (; more > 0; --more, low = 0x80, high = 0xbf) {
      if (i == text.size()) return false;
      const auto next = static_cast<uint8_t>(text[i++]);
      if (next < low || next > high) return false;
    }
  }
  return true;
}

}  // namespace xpu
