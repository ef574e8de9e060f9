#include "cni/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Variables = std::map<std::string, std::string>;

Variables Complete(const std::string& command) {
  return {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", "c0ffee"},      {"CNI_NETNS", "/run/netns/blue"},
          {"CNI_IFNAME", "net1"},   {"CNI_ARGS", "K8S_POD_NAME=web-0"}, {"CNI_PATH", "/opt/cni/bin"}};
}

Outcome<CniEnvironment> Read(const Variables& variables) {
  return ReadCniEnvironment([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(CniEnvironmentTest, TakesEveryParameter) {
  Variables variables = Complete("ADD");
  variables["XPU_HOST_AGENT"] = "/tmp/agent.sock";
  const auto environment = Read(variables);
  ASSERT_TRUE(environment.ok());
  EXPECT_EQ(environment->command, CniCommand::kAdd);
  EXPECT_EQ(environment->container_id, "c0ffee");
  EXPECT_EQ(environment->netns, "/run/netns/blue");
  EXPECT_EQ(environment->ifname, "net1");
  EXPECT_EQ(environment->args, "K8S_POD_NAME=web-0");
  EXPECT_EQ(environment->path, "/opt/cni/bin");
  EXPECT_EQ(environment->host_agent, "/tmp/agent.sock");
}

TEST(CniEnvironmentTest, VersionNeedsTheCommandOnly) {
  const auto environment = Read({{"CNI_COMMAND", "VERSION"}});
  ASSERT_TRUE(environment.ok());
  EXPECT_EQ(environment->command, CniCommand::kVersion);
}

TEST(CniEnvironmentTest, DelGoesWithoutANamespaceArgumentsAndPath) {
  const auto environment =
      Read({{"CNI_COMMAND", "DEL"}, {"CNI_CONTAINERID", "c0ffee"}, {"CNI_IFNAME", "net1"}});
  ASSERT_TRUE(environment.ok());
  EXPECT_EQ(environment->command, CniCommand::kDel);
  EXPECT_EQ(environment->netns, "");
}

TEST(CniEnvironmentTest, NamesAllThatIsMissing) {
  const auto environment = Read({{"CNI_COMMAND", "ADD"}, {"CNI_ARGS", "a=b"}});
  ASSERT_FALSE(environment.ok());
  EXPECT_EQ(environment.failure().code, kCniInvalidEnvironment);
  EXPECT_EQ(environment.failure().msg,
            "missing or invalid environment variables: CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME");
}

TEST(CniEnvironmentTest, AnEmptyVariableIsMissing) {
  Variables variables = Complete("DEL");
  variables["CNI_CONTAINERID"] = "";
  const auto environment = Read(variables);
  ASSERT_FALSE(environment.ok());
  EXPECT_EQ(environment.failure().details, "CNI_CONTAINERID is missing");
}

TEST(CniEnvironmentTest, CheckNeedsWhatAddNeeds) {
  const auto environment = Read(Complete("CHECK"));
  ASSERT_TRUE(environment.ok());
  EXPECT_EQ(environment->command, CniCommand::kCheck);
  EXPECT_EQ(environment->netns, "/run/netns/blue");
  const auto missing = Read({{"CNI_COMMAND", "CHECK"}});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.failure().msg,
            "missing or invalid environment variables: CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME");
}

TEST(CniEnvironmentTest, GcAndStatusAreAboutNoInterface) {
  const std::pair<const char*, CniCommand> commands[] = {{"GC", CniCommand::kGc},
                                                         {"STATUS", CniCommand::kStatus}};
  for (const auto& [name, command] : commands) {
    const auto environment = Read({{"CNI_COMMAND", name}, {"CNI_PATH", "/opt/cni/bin"}});
    ASSERT_TRUE(environment.ok());
    EXPECT_EQ(environment->command, command);
    EXPECT_EQ(environment->path, "/opt/cni/bin");
  }
}

TEST(CniEnvironmentTest, AnUnknownCommandIsToldTheKnownOnes) {
  for (const char* command : {"UPDATE", "add", "ADD "}) {
    const auto environment = Read(Complete(command));
    ASSERT_FALSE(environment.ok()) << command;
    EXPECT_EQ(environment.failure().code, kCniInvalidEnvironment);
    EXPECT_THAT(environment.failure().msg, HasSubstr("CNI_COMMAND"));
    EXPECT_THAT(environment.failure().details, HasSubstr("ADD, DEL, CHECK, GC, STATUS, VERSION"));
  }
}

struct Malformed {
  const char* name;
  const char* value;
};

class MalformedVariableTest : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedVariableTest, IsRefusedByName) {
  Variables variables = Complete("ADD");
  variables[GetParam().name] = GetParam().value;
  const auto environment = Read(variables);
  ASSERT_FALSE(environment.ok());
  EXPECT_EQ(environment.failure().code, kCniInvalidEnvironment);
  EXPECT_THAT(environment.failure().msg, HasSubstr(GetParam().name));
  EXPECT_THAT(environment.failure().details, HasSubstr(GetParam().name));
  // Only what is wrong is named.
  EXPECT_THAT(environment.failure().msg, Not(HasSubstr(",")));
}

INSTANTIATE_TEST_SUITE_P(
    Table, MalformedVariableTest,
    ::testing::Values(Malformed{"CNI_CONTAINERID", "-begins-with-hyphen"},
                      Malformed{"CNI_CONTAINERID", "a/b"}, Malformed{"CNI_CONTAINERID", "a b"},
                      Malformed{"CNI_CONTAINERID", "\xc3\xa4"}, Malformed{"CNI_CONTAINERID", "a\xff"},
                      Malformed{"CNI_NETNS", "run/netns/blue"}, Malformed{"CNI_NETNS", "/run/\xc0\xaf"},
                      Malformed{"CNI_IFNAME", "sixteen-bytes-16"}, Malformed{"CNI_IFNAME", "."},
                      Malformed{"CNI_IFNAME", ".."}, Malformed{"CNI_IFNAME", "a/b"},
                      Malformed{"CNI_IFNAME", "a:b"}, Malformed{"CNI_IFNAME", "a b"},
                      Malformed{"CNI_IFNAME", "a\n"}, Malformed{"CNI_IFNAME", "\xed\xa0\x80"},
                      Malformed{"CNI_ARGS", "\xf8"}, Malformed{"CNI_PATH", "\x80"},
                      Malformed{"XPU_HOST_AGENT", "/run/\xff"}));

TEST(Utf8Test, TakesWellFormedText) {
  for (const char* text : {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
}

TEST(Utf8Test, RefusesOverlongSurrogateTruncatedAndTooHigh) {
  for (const char* text : {"\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                           "\xf5", "\xc2", "\xe2\x82", "\x80", "\xc2x", "\xe2\x82x"}) {
    EXPECT_FALSE(IsUtf8(text));
  }
}

}  // namespace
}  // namespace xpu
