#include "cni/early_version.h"

#include <gtest/gtest.h>

#include <string>

namespace xpu {
namespace {

TEST(PlainVersionTest, IsWhatTheCniLibrarySends) {
  EXPECT_EQ(PlainVersion(R"({"cniVersion":"1.0.0"})"), "1.0.0");
  EXPECT_EQ(PlainVersion(" {\t\"cniVersion\" :\n\"9.9.9\"\r} \n"), "9.9.9");
  EXPECT_EQ(PlainVersion(""), "");
  EXPECT_EQ(PlainVersion(" \n"), "");
}

TEST(PlainVersionTest, IsNothingWhereThereIsMoreToIt) {
  for (const char* config :
       {"{", "{}", "x", R"({"cniVersion":"1.0.0")", R"({"cniVersion":"1.0.0)", R"({"cniVersion":""})",
        R"({"cniVersion":"1.0.0"}x)", R"({"cniVersion":"1.0.0","name":"x"})", R"({"cniVersion":1.0})",
        R"({"cniVersion":"1.0.0\u0030"})", R"({"cniVersion":"1.0.0 "})", R"({"cniVersions":"1.0.0"})",
        R"({"name":"x","cniVersion":"1.0.0"})", R"(["cniVersion","1.0.0"])"}) {
    EXPECT_EQ(PlainVersion(config), std::nullopt) << config;
  }
}

}  // namespace
}  // namespace xpu
