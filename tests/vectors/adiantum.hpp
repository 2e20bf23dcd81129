// SPDX-License-Identifier: Apache-2.0
#pragma once
// Published vectors of Adiantum with XChaCha12 and AES-256, and ciphertext as fscrypt writes it.
//
// published: adiantum_xchacha12_aes_tv_template of the kernel's crypto/testmgr.h but for its last, of 4096
// bytes; they come from the test vectors of https://github.com/google/adiantum. The digest of the last row is
// that of what the reference makes of it: published are all bytes, of which the first 32 and the last 16 are
// here. A change anywhere in a unit changes all of it.
//
// fscrypt: computed with xfstests' fscrypt-crypt-util. The IV of DIRECT_KEY is block number, then nonce.

#include "tests/vectors/fscrypt_keys.hpp"
#include "tests/vectors/vector_row.hpp"

namespace blkcrypto::vectors {

inline constexpr auto adiantum_plain_512 =
    "c76b526a10f0cc09c1121d6d21a678f505a3696091369857ba0c14ccf32d7303c6b25fc81627375dd00b87b250947b58"
    "04f4e07f6e578ec94184c1b17e4b91123a8b5d50827bcbd99ad94e1806239ed4a52098efb5dae5c08a6a837715841eae"
    "78949ddfb7d1ea67aab01415fa672184d3412aceba4b4ae89562a955f080adbdabafdd4fa57c1336ed5e4f72ad4bf1d0"
    "884eec2c88105eea12c0160129a3a055aa68f3e99d3b0d3b6decf8a02df0908d1ce288d42471f9b3c19fc5d67670c52e"
    "9cacdb90bd8372ba6eb5a55383a9a5bf7d060e3c2ad204b51e19380916d2821f751856b8960ba6f9cf62d9325da9d71d"
    "ece4df1bbef136eee37bb52feef8533d6ab770a9fc9c5725f28910d3b8a88c30ae234f0e13664fe1b6c0e4f8ef93bd6e"
    "15856be360811d68d731878909abd5961df36d6780ca07315da7e4fb3ef29b335218c830fe2dca1e79927a605cb65887"
    "a436a267928ba4b7f186dfdcc07e8f63d2a2dc78eb4fd89647cab891f9f794215f9a9f5bb840414b66696a72d0cb70b7"
    "93b5379605374fe58ca75a4e8bb784eac7fc196e1f5aa1ac187d523bb3346299e49e31043fc08d84177c254852671127"
    "67bb5a85ca56b25ce6ecd5963d15fcfb2225f413e5934b9a77f15218fa165e490345a808fab34192795033cad0d74255"
    "c39a0c4ed9a43c86809f53d1a42ed1bcf1546e93a465998edf29c0646307bbea";

inline constexpr auto adiantum_plain_1536 =
    "8eb6079b7ce4a4a2416c241dc0774ed94aa42cb6e455027fc4ecabc25c634092382462db6582107f21a5393a3f387ead"
    "6c7bc93f898fa808bd31573c7a456730a9275834bee3a4c3ffc29f43f004ba1eb6f3c4ce097a2e427dad97c9779a3a78"
    "6caf7c2a46b441861a20f25b1a60c9c4475d10a4d2156a194fd55137d506701a3e78f02eaab52abd83097ccb29acd79c"
    "bf80fd9dd4cf64caf8c9f1772ebb3926acd9bece247fbba282baeb5f65c5f1568a52024d45236debb0607bd86eb298d2"
    "af76f2339bf3bb95c050aac747f6b3f37716cb1495bf1d32450c75522ce8d731c087b0973030c55e50706eb04b4e3819"
    "46ca386aca7dfe05c8807c146c24b54228044cff9820081090310378d8a1e6f952c2fc3ea768ceeb595debd8644ef88b"
    "2462cf173684c072604f3e47da723b0ece0ba99c51dca5b97173084e2231fd8829fc8d173a7ae5b90b9c6ddbcedbde81"
    "735a169d3c7288511016f3116e325f4c87ce882cd2aff5b7d822edc9ae687fc53062bec9e027a1b557743660b86b8cec"
    "14aded69c9d8a55b38075bf33e744890611723dd44bc9d120a3a63b2ab86b86785d6b25dde4ac1732a7c538ed67d0ee4"
    "3babc53d327918b7d6504df08a37bbd38dd808d77daa2452f790e3aad6497a47ec37ad748bc1b7fe4f701462228c63c2"
    "1c4e38c363b7bf53bd1faca694c581fae0eb81e9d91d323c8512ca6165d166d8e20ec3a3ff0dd3eedfcc3e01f59b455c"
    "33b5b08d361adff8a381bedb3d4bf6c6df7fb089bd393250bbb2e35cbb4b1898086651e74dfbfc4e22426f61db7f2788"
    "293f02a9c68330cc8bd5647b7c7616beb68b26b88316f26bd1dc206b425aef7aa960b81ad30d4ecb756bc58043387fad"
    "9c56d9c4f10174f016538d69bef25d923438c884f91afc2616cbae7d382167744c40aa6b97e0b02ff53ef6e224c822a4"
    "a888278644755b2934084ba1fe0c26e5ac26f6210cfbde14fed7beee4893d699569ccf22ada25341fd58a168dcc4ef20"
    "a1eecf2b43b657d8fe018025dfd235440d1515c3fc49bfd0bf2f958109a6b6d72103fe52b7a8324d751e4644bc2b6104"
    "1b1ceb39868fe949ce78a55e67c5e9ef43f8f135224361c127b509b2b8e15e26ccf36fb2b755309887fce7a8c89486a1"
    "d9a03c7416b32598bac6844a27a658fee1680430c8db44524eb2a46ff763f2d663361704f806dbeb9917a51b6190a39f"
    "05ae3ee4dbc81c8e772788dfd3225ac59cd622f8c4d8929d16cc54253b6fdbc078d8e3b30369d75df8080463619d76f9"
    "ad1dc4309f75896bfb62baaecb1b6ce57eea586baece9b484b80d45e7153a72473caf53ebb5ed31c33e3ec5ba0329d25"
    "0e0c28293951c570ec608f77fc067a3319d57a6e94eaa3eb13a42e09d881658303638bb5c989987369538eabf1d22f67"
    "bda6166ed08bc12593d2507c1fe111d0580d2f72e75edba2559ae00921ac61854b2095736326e3834b5b400314b04416"
    "bde00eb76656d730b3fd8ad3da6aa73d980911b70006245af74294a60eb16d4874b1a7e6920a159af5fa551a6cdd7108"
    "d0f78d0e7c674dc6e6de7888883c5e2346d225a4fba3263f2bfd9c20da72e1818fe6ae081d6715de86691dc61e6db75c"
    "dd43725a7da7d8d71e66c590f6517691b3e339817508fac50670691b2c2074e053b00c9ddaa95bdd1c386c9e3bc47a82"
    "939ebb75fb194a55657a3cdacb665c131797e8bdae24d976fb8c73debdb41be0b92ce8e01d3fa82c1e815b77e7df6d06"
    "7c9af02b5dfc86d5b1adbca873486167d6bac8e8e2b8ee4036223e61f6c816e40e88ad715358e16c8f4f894b3e9c7fe9"
    "adc228c23a29f3eca92839bac286e106f38be3950c87b81b72358e8f6d18c81ca55d579d738abb9e210512d7e0211c16"
    "3a9585bcb0710b366c448def3bec3f8e24a9e3a76323ca096296790c810541f2072026e58e105403057bfe0ccc8c50e5"
    "ca334d487a03d5644909f25c5dfe2b30bf2914298b9b7c964707864d4e4df147d1102aa8d3158cf22ff43adfd0a7cb5a"
    "ad99394adf60bef9914ef594efc55632338678a3d64c297ce8ac06b5f5015c9f02c8e8bf5c1a7f4d28a5b9daa95ee74b"
    "f43de91d28aa1a8a76c86c19613c9e29cdbeffe01cb867b5a446f8b98aa2f67cef23730ce9720a0d9b40d8fb0c9caba8";

inline constexpr auto adiantum_published = std::to_array<vector_row>({
    {.name = "adiantum_xchacha12_aes_tv_template[0]",
     .key_hex = "9eebb2493c1cf5f46a99c2c4dfb1f4dd752057ea2c4fcdb2a53d7b491eabfd0f",
     .dun = from_iv("df63d4abd249f3d8338137607dfa7308d8496d80e82f6254eb0ea9395b457f8a"),
     .unit_size_bytes = 16,
     .length_bytes = 16,
     .plain_hex = "67c9f23084418e43fbf3b33e79367fe8",
     .first_hex = "6d32861867860f3f967c9d280d53ec9f"},
    {.name = "adiantum_xchacha12_aes_tv_template[1]",
     .key_hex = "362b5797f85dcd995f1a5a441d920f27cc16d72b856399d3ba96a1dbd26068da",
     .dun = from_iv("ef5869b12c5e9a4724c1b169e112938f433d6d00db5ed8d9129afed9ff2daac4"),
     .unit_size_bytes = 31,
     .length_bytes = 31,
     .plain_hex = "5ea8681985981223260accdb0a04b9df4db3487bb0e3c819435a4606942df2",
     .first_hex = "c7c6f1738fc4ff4a39be78be8d28c8894663e70c7d87e84ec9187bbe186050"},
    {.name = "adiantum_xchacha12_aes_tv_template[2]",
     .key_hex = "a52824341a3cd8f705918fee851f357f803dfc9b94f6fc9e190900a904314f11",
     .dun = from_iv("a1ba4995ff346db8cd875d5efdea85db8a7b5eb25d57dd62aca98c41429475b7"),
     .unit_size_bytes = 128,
     .length_bytes = 128,
     .plain_hex = "69b4e88c37e86782f1ec5d04e5149113dff2871b69811d71709e9c3bde497011"
                  "a0a3db0d544f6669d7db80a7709268ce81042cc6abaee56015e96fefaa8fa7a7"
                  "638ff2f077f1a8eae1b71f9eab9e4b3f07875b6fcda8afb9fa700b52b8a8a79e"
                  "075fa60eb39b791379c33e8d1c2c68c8511d3c7b7d79772a5665c5542328b003",
     .first_hex = "9e16abed4ba7425ac6fb4e76ffbe03a00fe3adbae4982b0e2148a0b865482748"
                  "845454b29a947be64b29e9cf0591801a3af34196851d9f74515663fa7c288549"
                  "f72ff9f21846f53380a33cceb25793f5aebda9f57b30c49366e0307716e4a031"
                  "ba70bc6813f5b09ac1fc7efe55805c4874a6aaa3acdcc2f58dde34867860758d"},
    {.name = "adiantum_xchacha12_aes_tv_template[3]",
     .key_hex = "d381721823ff6f4a2574290d518a0e13c1535d308dee750d14d669c915a90c60",
     .dun = from_iv("659bd4a87d291df4c4d69b6a28ab64e2628197c581aaf944c1725982af16c82c"),
     .unit_size_bytes = 512,
     .length_bytes = 512,
     .plain_hex = adiantum_plain_512,
     .first_hex = "1597d08618039c51c51136621392e6732979dea1003e0864171abcd5fe330e0c",
     .last_16_hex = "21b02152baa737aaccbf95a8f4d091f6",
     .sha256_hex = "730a9816085ba78ac58741ae8ac33a781318850f6ccce9f8593e85abc4777f7e"},
    {.name = "adiantum_xchacha12_aes_tv_template[4]",
     .key_hex = "ebe5113a72eb10be70cfe3eac274a448290f8f3fcf4c282a4e1e3cc3279f1613",
     .dun = from_iv("843ea27c0672b2ad887665b41a29271245b68d0e4b8704fcb5cd1c4de806f1cb"),
     .unit_size_bytes = 1536,
     .length_bytes = 1536,
     .plain_hex = adiantum_plain_1536,
     .first_hex = "cb78879cc713c130dd2c7db297ab066947878a122b5d86d72ee67a0d585de701",
     .last_16_hex = "8a33dd8a0623060b7f70be7ea180bc7a",
     .sha256_hex = "160bbe9b5693a4a4ea8caab043597b119ce5a811caaa8246d0bc3b18a64f1ffd"},
});

inline constexpr auto adiantum_fscrypt = std::to_array<vector_row>({
    {.name = "per extent, DUN 0",
     .key_hex = per_extent_key_32,
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "c292480cf11b78262e65e6644ad2dcd5e61fc2b62d8a25bfba9f56e96ad9a6cb",
     .sha256_hex = "ab030dfa277514c723420062152099d0095c58cb9f94a8ab422acf2b3952640c"},
    {.name = "per extent, DUN 1",
     .key_hex = per_extent_key_32,
     .dun = {1},
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "7f4e919455f8338dd4c186d7ca978a9607ebe12d413426e97bc4baff3d97b68e",
     .sha256_hex = "8e73bf0c9bccef028d560f439cb39e8b2df5bc7a2f92dfef3c783a9761dbc1ac"},
    {.name = "DIRECT_KEY, block 0",
     .key_hex = direct_key,
     .dun = from_iv("0000000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0000000000000000"),
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "e8c165b3fcc712bc6dfed9bdd8007650ea57beaed5b1a6ba6802c32a87252561",
     .sha256_hex = "34dd3b7fd9337706aa77e781de49d2d039af0ab21ea22527d41439706d6f5085"},
    {.name = "DIRECT_KEY, block 1",
     .key_hex = direct_key,
     .dun = from_iv("0100000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0000000000000000"),
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "e6e5ec7b535949421531426ec5b55345497f2a9377afab42041d3033e9793adb",
     .sha256_hex = "6cc9afe8738f500380bec2a18bc7f0fd4b6fc7e1b66506a2fa3aae9c2fc03458"},
});

} // namespace blkcrypto::vectors
