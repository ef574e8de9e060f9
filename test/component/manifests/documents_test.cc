// The documents say what the programs understand and tell: keys of configurations, and names of metrics.
// Flags are in test/build/command_line.py, and the kinds' pages are made from their declarations.

#include <google/protobuf/descriptor.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/http/test_http.h"
#include "common/sys/files.h"
#include "control-plane/apiserver/test_api_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_config.h"
#include "host-agent/cni/cni_error.h"
#include "nlohmann/json.hpp"
#include "xpu/api/v1alpha1/options.pb.h"
#include "xpu/broker/v1/config.pb.h"
#include "xpu/hostagent/v1/config.pb.h"

namespace xpu {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

std::string Document(const std::string& path) { return ReadFile(absl::StrCat(XPU_DOCS, "/", path)).value(); }

// The texts between backticks.
std::vector<std::string> CodeIn(const std::string& text) {
  std::vector<std::string> code;
  const std::vector<std::string> parts = absl::StrSplit(text, '`');
  for (size_t i = 1; i < parts.size(); i += 2) code.push_back(parts[i]);
  return code;
}

// The section below a heading, up to the next one.
std::string Section(const std::string& document, const std::string& heading) {
  const size_t at = document.find(absl::StrCat("\n", heading, "\n"));
  EXPECT_NE(at, std::string::npos) << heading;
  if (at == std::string::npos) return "";
  const size_t begin = at + heading.size() + 2;
  return document.substr(begin, document.find("\n## ", begin) - begin);
}

// The rows of its tables but for the headings, cells without blanks around them.
std::vector<std::vector<std::string>> Rows(const std::string& section) {
  std::vector<std::vector<std::string>> rows;
  for (absl::string_view line : absl::StrSplit(section, '\n')) {
    if (!absl::StartsWith(line, "| `")) continue;
    std::vector<std::string> cells;
    // A bar in code is no end of a cell.
    for (absl::string_view cell : absl::StrSplit(line.substr(1), " |"))
      cells.emplace_back(absl::StripAsciiWhitespace(cell));
    rows.push_back(std::move(cells));
  }
  return rows;
}

bool IsRequired(const FieldDescriptor& field) {
  return field.options().GetExtension(api::v1alpha1::field).required();
}

// That the section of each message that a field of `message` is of has a row for each of its fields and no
// other.
void CheckSections(const std::string& document, const Descriptor& message, const std::string& path) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.type() != FieldDescriptor::TYPE_MESSAGE) continue;
    const std::string below =
        absl::StrCat(path, path.empty() ? "" : ".", field.json_name(), field.is_repeated() ? "[]" : "");
    SCOPED_TRACE(below);
    std::map<std::string, bool> documented;
    for (const auto& row : Rows(Section(document, absl::StrCat("## ", below)))) {
      ASSERT_GE(row.size(), 4u);
      documented[CodeIn(row[0]).at(0)] = absl::StrContains(row[2], "required");
    }
    std::map<std::string, bool> declared;
    const Descriptor& type = *field.message_type();
    for (int k = 0; k < type.field_count(); ++k)
      declared[type.field(k)->json_name()] = IsRequired(*type.field(k));
    EXPECT_EQ(documented, declared);
    CheckSections(document, type, below);
  }
}

TEST(DocumentsTest, TheHostAgentsConfigurationHasTheFieldsOfItsPage) {
  CheckSections(Document("reference/host-agent-configuration.md"),
                *hostagent::v1::HostAgentConfiguration::descriptor(), "");
}

void CollectFields(const Descriptor& message, std::set<std::string>* names) {
  for (int i = 0; i < message.field_count(); ++i) {
    names->insert(message.field(i)->json_name());
    if (message.field(i)->type() == FieldDescriptor::TYPE_MESSAGE)
      CollectFields(*message.field(i)->message_type(), names);
  }
}

TEST(DocumentsTest, TheBrokersGuideNamesEachFieldOfItsConfiguration) {
  std::set<std::string> declared;
  CollectFields(*broker::v1::BrokerConfiguration::descriptor(), &declared);
  std::set<std::string> named;
  const std::string section = Section(Document("guide/broker.md"), "## Setting it up");
  for (const std::string& code : CodeIn(section)) {
    // "policies[].kinds", "drain: true".
    for (absl::string_view part : absl::StrSplit(code, absl::ByAnyChar(".[]: "))) named.emplace(part);
  }
  EXPECT_THAT(named, IsSupersetOf(declared));
  for (const auto& row : Rows(section)) {
    for (const std::string& code : CodeIn(row[0])) {
      const std::vector<std::string> parts = absl::StrSplit(code, "[].");
      EXPECT_THAT(declared, IsSupersetOf(parts)) << "the table";
    }
  }
}

std::string ErrorOf(const nlohmann::json& config) {
  const absl::StatusOr<CniConfig> parsed = ParseCniConfig(config.dump(), {});
  if (parsed.ok()) return "";
  const CniFailure failure = ToCniFailure(parsed.status());
  return absl::StrCat(failure.msg, "; ", failure.details);
}

TEST(DocumentsTest, TheCniPluginTakesTheKeysOfItsPageAndNoOthers) {
  const nlohmann::json bare = {{"cniVersion", "1.1.0"}, {"name", "n"}, {"deviceID", "0000:03:00.2"}};
  ASSERT_EQ(ErrorOf(bare), "");
  const std::string page = Document("reference/cni-configuration.md");
  std::set<std::string> documented;
  for (const auto& row : Rows(Section(page, "## Keys"))) {
    for (const std::string& key : CodeIn(row[0])) documented.insert(key);
  }
  const std::string section = Section(page, "## Keys");
  const size_t others = section.find("\n\nKeys are taken in");
  ASSERT_NE(others, std::string::npos);
  for (const std::string& key : CodeIn(section.substr(others))) documented.insert(key);
  documented.erase("cni.dev/");
  EXPECT_THAT(documented, SizeIs(::testing::Gt(20)));
  for (const std::string& key : documented) {
    nlohmann::json config = bare;
    config[key] = nullptr;
    EXPECT_THAT(ErrorOf(config), Not(HasSubstr("unknown key"))) << key;
  }
  nlohmann::json config = bare;
  config["colour"] = "blue";
  const std::string refusal = ErrorOf(config);
  const std::string lead = "the plugin's own keys are ";
  ASSERT_THAT(refusal, HasSubstr(lead));
  const std::vector<std::string> known =
      absl::StrSplit(refusal.substr(refusal.find(lead) + lead.size()), ", ");
  documented.insert("pciBusID");  // named with deviceID
  EXPECT_THAT(documented, IsSupersetOf(known));
}

TEST(DocumentsTest, TheCniPluginTakesTheCapabilitiesOfItsPage) {
  std::set<std::string> documented;
  const std::string section = Section(Document("reference/cni-configuration.md"), "## From the runtime");
  for (const auto& row : Rows(section)) documented.insert(CodeIn(row[0]).at(0));
  EXPECT_THAT(documented, Contains("bandwidth"));
  for (const char* name : {"aliases", "cgroupPath", "dns", "io.kubernetes.cri.pod-annotations"}) {
    EXPECT_THAT(CodeIn(section), Contains(name));
    documented.insert(name);
  }
  for (const std::string& capability : documented) {
    nlohmann::json config = {{"cniVersion", "1.1.0"}, {"name", "n"}, {"deviceID", "0000:03:00.2"}};
    config["ipam"] = {{"type", "host-local"}};
    config["runtimeConfig"] = {{capability, nlohmann::json::object()}};
    EXPECT_THAT(ErrorOf(config), Not(HasSubstr("cannot be had"))) << capability;
  }
}

TEST(DocumentsTest, TheApiServersGuideNamesItsMetrics) {
  apiserver::TestApiServer server;
  TestHttp http(server.endpoint());
  ASSERT_EQ(http.Get("/healthz").code, 200);
  std::set<std::string> told;
  for (absl::string_view line : absl::StrSplit(http.Get("/metrics").body, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() == 4 && words[1] == "TYPE") told.insert(words[2]);
  }
  EXPECT_THAT(told, SizeIs(::testing::Gt(5)));
  std::set<std::string> documented;
  for (const std::string& code : CodeIn(Document("guide/api-server.md"))) {
    if (absl::StartsWith(code, "xpu_apiserver_")) documented.insert(code);
  }
  EXPECT_EQ(documented, told);
}

}  // namespace
}  // namespace xpu
